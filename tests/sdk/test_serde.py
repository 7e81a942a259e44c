import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
    get_args,
)
from uuid import UUID

import msgspec
import pydantic
import pydantic.dataclasses
import pytest
import typing_extensions

from perdure.sdk.errors import DefinitionError, SerdeError
from perdure.sdk.serde import (
    BytesSerde,
    DefaultSerde,
    JsonSerde,
    MsgspecJsonSerde,
    OrDefault,
    PydanticJsonSerde,
    Serde,
    serde_for,
)


class Person(pydantic.BaseModel):
    name: str
    age: int = 3


class Struct(msgspec.Struct):
    name: str


class Sleep(TypedDict, total=False):
    kind: Required[Literal["sleep"]]
    seconds: float


class Say(TypedDict):
    kind: Literal["say"]
    words: list[str]


class Plan(TypedDict):
    """One kind of step after the other."""

    steps: Iterable[Sleep | Say]


class Ticket(TypedDict):
    owner: Person
    price: NotRequired[Decimal]


class Point(NamedTuple):
    x: int = 0
    y: int = 0


ORIGIN = Point()


@dataclass
class Trip:
    stops: Iterable[int]
    start: Point = ORIGIN


class Nested(TypedDict):
    owner: Person
    inner: NotRequired["Nested | None"]


@dataclass
class Address:
    street: str
    number: int = 1


@dataclass
class Tree:
    value: int
    children: list["Tree"] = field(default_factory=list)


@dataclass
class Household:
    head: Person
    address: Address


@pydantic.dataclasses.dataclass
class Checked:
    number: Annotated[int, pydantic.Field(gt=0)]


class Movie(typing_extensions.TypedDict):
    title: str
    year: NotRequired[int]


class Cast(typing_extensions.TypedDict):
    actors: list[Person]


class Pair(NamedTuple):
    left: int
    right: str


class Size(Enum):
    SMALL = "small"


class Opaque:
    pass


class ReverseSerde(Serde[str]):
    def deserialize(self, buf: bytes) -> str:
        return buf.decode()[::-1]

    def serialize(self, obj: str | None) -> bytes:
        return (obj or "")[::-1].encode()


UserId = NewType("UserId", str)
T = TypeVar("T")

VALUES: list[tuple[Any, Any]] = [
    (str, "text"),
    (int, 5),
    (float, 2.5),
    (bool, True),
    (list[int], [1, 2]),
    (dict[str, list[int]], {"a": [1]}),
    (dict[int, str], {1: "a"}),
    (set[str], {"a", "b"}),
    (tuple[int, str], (1, "a")),
    (int | None, 4),
    (Optional[str], "x"),  # noqa: UP045 - the older spelling must work as well
    (int | str, "x"),
    (Literal["a", "b"], "b"),
    (Annotated[int, "a remark"], 4),
    (Annotated[int, pydantic.Field(gt=0)], 4),
    (UserId, UserId("u")),
    (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
    (UUID, UUID(int=7)),
    (Size, Size.SMALL),
    (Pair, Pair(1, "a")),
    (Struct, Struct("s")),
    (list[Struct], [Struct("s")]),
    (Address, Address("s", 2)),
    (Address | None, Address("s")),
    (Tree, Tree(1, [Tree(2)])),
    (Movie, {"title": "t"}),
    (Cast, {"actors": [Person(name="p")]}),
    (Person, Person(name="p")),
    (Person | None, Person(name="p")),
    (list[Person], [Person(name="p")]),
    (Person | Address, Address("s")),
    (Household, Household(Person(name="p"), Address("s"))),
    (Checked, Checked(3)),
    (Iterable[int], [1, 2]),
    (Iterable[Person], [Person(name="p")]),
    (Any, {"a": [1, None]}),
    (None, [1, 2]),
    (object, "x"),
    (T, {"a": 1}),
    (bytes, b"\x00\xff"),
]


@pytest.mark.parametrize(("hint", "value"), VALUES, ids=lambda each: str(each)[:40])
def test_a_value_comes_back_by_its_hint(hint: Any, value: Any):
    serde = serde_for(hint)
    assert serde.deserialize(serde.serialize(value)) == value


@pytest.mark.parametrize("hint", [hint for hint, _ in VALUES if hint is not bytes], ids=str)
def test_none_is_no_bytes_and_no_bytes_are_none(hint: Any):
    serde = serde_for(hint)
    assert serde.serialize(None) == b""
    assert serde.deserialize(b"") is None


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (int, b'"five"', "Expected `int`, got `str`"),
        (str, b"null", "Expected `str`, got `null`"),
        (int | None, b'"a"', r"Expected `int \| null`, got `str`"),
        (Address, b"{}", "Object missing required field `street`"),
        (Address, b'{"street":1}', r"Expected `str`, got `int` - at `\$.street`"),
        (Movie, b'{"title":"t","year":"x"}', r"Expected `int`, got `str` - at `\$.year`"),
        (Person, b'{"age":"x"}', r"Field required - at `\$.name`; .*valid integer.* at `\$.age`"),
        (list[Person], b'[{"name":2}]', r"Input should be a valid string - at `\$.0.name`"),
        (Annotated[int, pydantic.Field(gt=0)], b"-1", r"greater than 0 - at `\$`"),
        (Iterable[int], b'[1, "x"]', r"valid integer.* - at `\$\.1`"),
        (Checked, b'{"number":0}', r"greater than 0 - at `\$.number`"),
        (Person, b"{", "Invalid JSON"),
        (Any, b"{", "this is not JSON"),
    ],
)
def test_an_error_names_the_field_and_what_is_expected(hint: Any, text: bytes, message: str):
    with pytest.raises(SerdeError, match=message):
        serde_for(hint).deserialize(text)


def test_errors_do_not_repeat_the_data():
    with pytest.raises(SerdeError) as caught:
        serde_for(Person).deserialize(b'{"name":"p","age":"secret"}')
    assert "secret" not in str(caught.value)


def test_serdes_by_kind():
    assert isinstance(serde_for(bytes), BytesSerde)
    assert isinstance(serde_for(Person), PydanticJsonSerde)
    assert isinstance(serde_for(Address), MsgspecJsonSerde)
    assert isinstance(serde_for(Any), JsonSerde)


def test_a_serde_is_built_once_for_a_hint():
    assert serde_for(list[Address]) is serde_for(list[Address])


def test_a_hint_that_cannot_be_hashed_works():
    assert serde_for(Annotated[int, []]).deserialize(b"1") == 1


def test_annotated_can_carry_a_serde():
    assert serde_for(Annotated[str, ReverseSerde()]).serialize("abc") == b"cba"


@pytest.mark.parametrize("hint", [Opaque, dict[str, Opaque], Opaque | int])
def test_what_nobody_can_model_is_plain_json(hint: Any):
    assert serde_for(hint).deserialize(b'{"a":1}') == {"a": 1}


def test_a_dataclass_with_an_opaque_field_is_refused():
    @dataclass
    class Holder:
        opaque: Opaque

    with pytest.raises(DefinitionError, match=r"Holder.*a field whose type has no form in JSON"):
        serde_for(Holder)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Iterable[Sleep | Say], [{"kind": "say", "words": ["a"]}, {"kind": "sleep"}]),
        (Plan, {"steps": [{"kind": "sleep", "seconds": 1.5}]}),
        (list[Ticket], [{"owner": Person(name="Ada")}]),
        (Trip, Trip([1, 2])),
        (Annotated[Ticket, "of a kind"], {"owner": Person(name="Ada"), "price": Decimal("1.5")}),
    ],
    ids=str,
)
def test_containers_of_what_only_pydantic_models(hint: Any, value: Any):
    serde = serde_for(hint)
    assert serde.deserialize(serde.serialize(value)) == value
    with pytest.raises(SerdeError):
        serde.deserialize(b'[{"kind": "other"}]')


def test_the_schema_has_a_typed_dict_once():
    schema: Any = serde_for(tuple[Ticket, list[Ticket]]).json_schema("validation")
    assert list(schema["$defs"]) == ["Person", "Ticket"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Pydantic reads both kinds")
def test_a_typed_dict_that_pydantic_cannot_read_is_refused():
    with pytest.raises(DefinitionError, match=r"Nested.*typing_extensions: import it from there"):
        serde_for(list[Nested])


def test_a_dataclass_that_mentions_an_undefined_name_is_refused():
    @dataclass
    class Holder:
        other: "NotThere"  # noqa: F821 - that is the case

    with pytest.raises(DefinitionError, match="not defined"):
        serde_for(Holder)


def test_what_goes_out_is_written_as_it_is():
    assert serde_for(Person).serialize({"name": "p"}) == b'{"name":"p"}'
    assert serde_for(list[Person]).serialize(["p"]) == b'["p"]'


def test_a_model_writes_its_subclass_whole():
    class Employee(Person):
        salary: int

    assert json.loads(serde_for(Person).serialize(Employee(name="p", salary=1)))["salary"] == 1


def test_bytes_serde_takes_whatever_is_bytes():
    serde = BytesSerde()
    assert serde.serialize(bytearray(b"a")) == b"a"
    assert serde.serialize(memoryview(b"a")) == b"a"
    assert serde.serialize(None) == b""
    with pytest.raises(SerdeError, match="not str"):
        serde.serialize("a")  # type: ignore[arg-type]


def test_default_serde_follows_its_hint():
    assert DefaultSerde().deserialize(b'{"street":"s"}') == {"street": "s"}
    assert DefaultSerde(Address).deserialize(b'{"street":"s"}') == Address("s")
    assert DefaultSerde().with_maybe_type(Address).deserialize(b'{"street":"s"}') == Address("s")
    assert DefaultSerde().serialize(Person(name="p")) == b'{"name":"p","age":3}'


def test_a_default_stands_for_no_bytes():
    serde = OrDefault(serde_for(str), "World")
    assert serde.deserialize(b"") == "World"
    assert serde.deserialize(b'"Moon"') == "Moon"
    assert serde.serialize("x") == b'"x"'


def test_what_is_done_to_a_default_is_not_seen_the_next_time():
    serde: OrDefault[list[int]] = OrDefault(serde_for(list[int]), [1])
    serde.deserialize(b"").append(2)
    assert serde.deserialize(b"") == [1]


def test_a_mark_for_what_is_not_given_keeps_its_identity():
    mark = object()
    assert OrDefault(serde_for(Any), mark).deserialize(b"") is mark


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (dict, {"type": "object"}),
        (Any, None),
        (bytes, None),
        (Opaque, None),
    ],
)
def test_schemas_of_plain_types(hint: Any, schema: Any):
    assert serde_for(hint).json_schema("validation") == schema


def test_a_schema_tells_reading_from_writing():
    class Square(pydantic.BaseModel):
        side: int

        @pydantic.computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> int:
            return self.side**2

    assert serde_for(Square).json_schema("validation")["required"] == ["side"]
    assert serde_for(Square).json_schema("serialization")["required"] == ["side", "area"]


class Aliased(pydantic.BaseModel):
    first_name: str = pydantic.Field(alias="firstName")


class AliasedWithin(pydantic.BaseModel):
    people: list[Aliased]


class ByEither(Aliased):
    model_config = pydantic.ConfigDict(populate_by_name=True)


class AsItSays(Aliased):
    model_config = pydantic.ConfigDict(serialize_by_alias=False)


@pydantic.dataclasses.dataclass
class AliasedFields:
    first_name: str = pydantic.Field(alias="firstName")


class ForReaders(pydantic.BaseModel):
    first_name: str = pydantic.Field(serialization_alias="firstName")


class ForReadersWithin(pydantic.BaseModel):
    people: list[ForReaders]


ADA = {"firstName": "Ada"}
FOR_READERS = ForReaders(first_name="Ada")


@pytest.mark.parametrize(
    ("hint", "value", "key"),
    [
        (Aliased, Aliased(**ADA), "firstName"),
        (AliasedWithin, AliasedWithin(people=[Aliased(**ADA)]), "firstName"),
        (list[Aliased], [Aliased(**ADA)], "firstName"),
        (AliasedFields, AliasedFields(**ADA), "firstName"),
        (list[Aliased | ByEither], [Aliased(**ADA)], "firstName"),
        (ByEither, ByEither(**ADA), "first_name"),
        (ByEither | None, ByEither(**ADA), "first_name"),
        (ForReaders, FOR_READERS, "first_name"),
        (ForReadersWithin, ForReadersWithin(people=[FOR_READERS]), "first_name"),
        (list[ForReaders], [FOR_READERS], "first_name"),
    ],
)
def test_fields_are_written_by_a_name_that_is_read(hint: Any, value: Any, key: str):
    serde = serde_for(hint)
    text = serde.serialize(value)
    assert f'"{key}":"Ada"'.encode() in text
    assert serde.deserialize(text) == value


def test_a_model_may_say_by_which_names_it_is_written():
    assert serde_for(AsItSays).serialize(AsItSays(**ADA)) == b'{"first_name":"Ada"}'


@pytest.mark.parametrize("hint", [Aliased, ByEither, AsItSays, list[Aliased], list[ByEither]])
def test_the_schema_of_what_is_written_has_the_names_that_are_written(hint: Any):
    serde = serde_for(hint)
    (model,) = get_args(hint) or [hint]
    value = model(**ADA)
    (key,) = json.loads(serde_for(model).serialize(value))
    assert f"'{key}'" in str(serde.json_schema("serialization"))
    assert "'firstName'" in str(serde.json_schema("validation"))


def test_a_model_may_write_itself():
    class Brief(Aliased):
        nickname: str | None = None

        def model_dump_json(self) -> str:  # type: ignore[override]
            return super().model_dump_json(exclude_none=True)

    for hint in (Brief, Aliased):
        assert serde_for(hint).serialize(Brief(**ADA)) == b'{"first_name":"Ada"}'


def test_a_custom_serde_has_no_schema_of_its_own():
    assert ReverseSerde().json_schema("validation") is None


def test_a_type_without_a_schema_lets_all_pass():
    class Callback(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        opaque: Opaque

    assert serde_for(Callback).json_schema("validation") is True


@dataclass
class Reading:
    value: float
    at: datetime


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (float, math.nan),
        (float, -math.inf),
        (list[float], [math.inf, 1.5]),
        (dict[int, float], {1: math.nan}),
        (Reading, Reading(math.nan, datetime(2026, 1, 1, tzinfo=UTC))),
        (str, "half a pair: \ud800"),
    ],
)
def test_what_json_itself_has_no_form_for_comes_back_by_hint(hint: Any, value: Any):
    serde = serde_for(hint)
    assert repr(serde.deserialize(serde.serialize(value))) == repr(value)


def test_an_oddity_of_another_type_than_the_hints_is_refused():
    with pytest.raises(SerdeError, match="Expected `str`, got `float`"):
        serde_for(list[str]).deserialize(b"[NaN]")
