import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from perdure.sdk.definitions import HandlerKind, handler_from_callable
from perdure.sdk.errors import DefinitionError
from perdure.sdk.serde import BytesSerde, DefaultSerde, JsonSerde, serde_for
from perdure.sdk.services import Service, VirtualObject, Workflow


async def greet(ctx: Any, name: str = "World") -> str:
    """Greet somebody."""
    return f"Hello {name}"


def test_handlers_of_a_service():
    service = Service("Greeter")
    decorated = service.handler()(greet)
    handler = handler_from_callable(decorated)
    assert service.handlers == {"greet": handler}
    assert (handler.service, handler.name, handler.kind) == (
        "Greeter",
        "greet",
        HandlerKind.SERVICE,
    )
    assert handler.fn is greet
    assert handler.takes_input
    assert handler.input_serde.deserialize(b"") == "World"


def test_a_decorated_function_is_still_the_function():
    decorated = Service("Greeter").handler()(greet)
    assert asyncio.run(decorated(None, "Moon")) == "Hello Moon"
    assert decorated.__doc__ == greet.__doc__


def test_one_function_can_be_a_handler_of_two_services():
    first = Service("First").handler()(greet)
    second = Service("Second").handler("welcome")(greet)
    assert handler_from_callable(first).service == "First"
    assert handler_from_callable(second).service == "Second"
    assert handler_from_callable(second).name == "welcome"


def test_kinds_of_handlers():
    counter, signup = VirtualObject("Counter"), Workflow("Signup")
    counter.handler("a")(greet)
    counter.handler("b", "shared")(greet)
    counter.handler("c", kind=None)(greet)
    signup.main("run")(greet)
    signup.handler("d")(greet)
    kinds = [each.kind for each in (*counter.handlers.values(), *signup.handlers.values())]
    assert kinds == [
        HandlerKind.EXCLUSIVE,
        HandlerKind.SHARED,
        HandlerKind.EXCLUSIVE,
        HandlerKind.WORKFLOW,
        HandlerKind.WORKFLOW_SHARED,
    ]


def test_serdes_are_the_given_ones_or_those_of_the_hints():
    service = Service("Greeter")
    given = BytesSerde()
    service.handler("by_hint")(greet)
    service.handler("undecided", input_serde=DefaultSerde(), output_serde=DefaultSerde())(greet)
    service.handler("given", input_serde=given, output_serde=given)(greet)
    assert service.handlers["by_hint"].output_serde is serde_for(str)
    assert service.handlers["undecided"].output_serde is serde_for(str)
    assert service.handlers["given"].output_serde is given

    @service.handler()
    async def bare(ctx, name):
        return name

    assert isinstance(handler_from_callable(bare).input_serde, JsonSerde)


def test_content_types():
    service = Service("Files")

    @service.handler()
    async def raw(ctx: Any, body: bytes) -> bytes:
        return body

    @service.handler(accept="image/*", content_type="image/png")
    async def image(ctx: Any, body: bytes) -> bytes:
        return body

    @service.handler(input_serde=BytesSerde(), output_serde=BytesSerde())
    async def own_json(ctx: Any, body: bytes) -> bytes:
        return body

    types = [(each.accept, each.content_type) for each in service.handlers.values()]
    assert types == [
        ("*/*", "application/octet-stream"),
        ("image/*", "image/png"),
        ("application/json", "application/json"),
    ]


def test_context_managers_of_the_service_are_outermost():
    @asynccontextmanager
    async def outer():
        yield

    @asynccontextmanager
    async def inner():
        yield

    service = Service("Greeter", invocation_context_managers=[outer])
    service.handler(invocation_context_managers=[inner])(greet)
    assert service.handlers["greet"].context_managers == (outer, inner)


def test_description_and_metadata_can_go_by_position():
    service = Service("Greeter", "Greets", {"team": "a"})
    assert service.options.description == "Greets"
    assert service.options.metadata == {"team": "a"}


@pytest.mark.parametrize(
    "name", ["Greeter", "a", "_1", "my-service", "com.example.Greeter", "user_signup"]
)
def test_names_of_services(name: str):
    assert Service(name).name == name


@pytest.mark.parametrize("name", ["", "1a", "_", "a b", "ä", "-a", "a/b", "a\n"])
def test_malformed_names_of_services(name: str):
    with pytest.raises(DefinitionError, match="a name is made of letters"):
        Service(name)


@pytest.mark.parametrize("name", ["restate", "RestateThing", "openapi", "OpenAPI"])
def test_reserved_names_of_services(name: str):
    with pytest.raises(DefinitionError, match="are reserved: choose another one"):
        VirtualObject(name)


@pytest.mark.parametrize("name", ["a-b", "a.b", "1", "_"])
def test_malformed_names_of_handlers(name: str):
    with pytest.raises(DefinitionError, match=f"handler '{name}' of 'Greeter': a name is made"):
        Service("Greeter").handler(name)(greet)


def test_a_name_that_is_not_text():
    with pytest.raises(DefinitionError, match="a name is a string, not int"):
        Service(7)  # type: ignore[arg-type]


def test_a_handler_without_a_name_of_its_own_needs_one():
    with pytest.raises(DefinitionError, match="handler '<lambda>' of 'Greeter': a name is made"):
        Service("Greeter").handler()(lambda: None)


def test_two_handlers_of_one_name():
    service = Service("Greeter")
    service.handler()(greet)
    with pytest.raises(DefinitionError, match="Greeter has a handler 'greet' already"):
        service.handler()(greet)


def test_a_second_main_handler():
    workflow = Workflow("Signup")
    workflow.main("run")(greet)
    with pytest.raises(DefinitionError, match="its main handler is 'run' already"):
        workflow.main("again")(greet)


def test_a_decorator_without_parentheses():
    with pytest.raises(DefinitionError, match=r"write `@service.handler\(\)`"):
        Service("Greeter").handler(greet)  # type: ignore[arg-type]


def test_an_unknown_kind():
    with pytest.raises(DefinitionError, match="'exclusive' or 'shared', not 'workflow'"):
        VirtualObject("Counter").handler(kind="workflow")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Service("A", enable_lazy_state=True),  # type: ignore[call-arg]
        lambda: Service("A").handler(enable_lazy_state=True),  # type: ignore[call-arg]
        lambda: Workflow("A").main(idempotency_retention=None),  # type: ignore[call-arg]
        lambda: Workflow("A").handler(workflow_retention=None),  # type: ignore[call-arg]
    ],
)
def test_options_that_do_not_apply(declare: Any):
    with pytest.raises(DefinitionError, match="there is no option"):
        declare()


@pytest.mark.parametrize("value", [greet, print, "Greeter/greet", None])
def test_what_stands_for_no_handler(value: Any):
    with pytest.raises(DefinitionError, match=r"is not a handler: decorate it"):
        handler_from_callable(value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "a handler of 'Greeter' is a function, not NoneType"),
        ("greet", "a handler of 'Greeter' is a function, not str"),
        (partial(greet, name="you"), 'being of type partial: give it one, `handler(name="...")`'),
    ],
    ids=str,
)
def test_what_has_no_name_is_told(given: Any, told: str):
    with pytest.raises(DefinitionError) as refused:
        Service("Greeter").handler()(given)
    assert told in str(refused.value)
