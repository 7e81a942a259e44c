import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.sdk import json_values
from perdure.sdk.errors import SerdeError


class Model(pydantic.BaseModel):
    number: int
    tags: set[str] = set()


class Point(msgspec.Struct):
    x: int
    y: float = 0.0


@dataclass
class Basket:
    items: set[str] = field(default_factory=set)
    weight: float = 1.0


class Text(str):
    __slots__ = ()


class Colour(StrEnum):
    RED = "red"


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(plain_values)
def test_plain_values_come_back_as_they_were(value: Any):
    assert json_values.decode(json_values.encode(value)) == value


@given(plain_values)
def test_others_read_what_is_written_and_we_read_what_they_write(value: Any):
    assert json.loads(json_values.encode(value)) == value
    assert json_values.decode(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [2]}, '{"b":1,"a":[2]}'),
        ({"tags": {"b", "a", "c"}}, '{"tags":["a","b","c"]}'),
        (Basket({"pear", "apple"}), '{"items":["apple","pear"],"weight":1.0}'),
        ([Point(1), None], '[{"x":1,"y":0.0},null]'),
        ({"model": Model(number=1)}, '{"model":{"number":1,"tags":[]}}'),
        ([Text("a"), Colour.RED], '["a","red"]'),
        ({True: 1, None: 2}, '{"true": 1, "null": 2}'),
        (10**40, "1" + "0" * 40),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_values_have_one_text(value: Any, text: str):
    assert json_values.encode(value) == text.encode()


@pytest.mark.parametrize("value", [math.inf, -math.inf, [1.5, math.inf], {"a": math.inf}])
def test_infinities_come_back(value: Any):
    assert json_values.decode(json_values.encode(value)) == value


def test_nan_comes_back_even_from_within_an_object():
    text = json_values.encode([Basket(weight=math.nan)])
    assert math.isnan(json_values.decode(text)[0]["weight"])


def test_a_set_has_the_same_text_in_every_process():
    code = (
        "from perdure.sdk import json_values as j; "
        "print(j.encode({'s': {'delta', 'alpha', 'gamma', 'beta'}}).decode())"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {'{"s":["alpha","beta","delta","gamma"]}\n'}


@pytest.mark.parametrize("value", [object(), {"a": object()}, Point, {1, "a"}, lambda: None])
def test_a_value_without_a_form_is_refused(value: Any):
    with pytest.raises(SerdeError):
        json_values.encode(value)


def test_the_refusal_says_what_to_do():
    with pytest.raises(SerdeError, match="of type object has no form in JSON: use a dataclass"):
        json_values.encode([object()])


def test_bytes_are_not_silently_made_text():
    with pytest.raises(SerdeError, match=r"give BytesSerde\(\)"):
        json_values.encode(b"abc")


@pytest.mark.parametrize("text", [b"{", b"nope", b'{"a":}', b"\xff"])
def test_what_is_not_json_is_refused(text: bytes):
    with pytest.raises(SerdeError, match="this is not JSON"):
        json_values.decode(text)
