from contextlib import asynccontextmanager
from typing import Any

import pytest

import perdure
from perdure.protocol.manifest import ProtocolMode
from perdure.sdk.app import app
from perdure.sdk.errors import DefinitionError
from perdure.sdk.services import Service, Workflow


async def greet(ctx: Any, name: str) -> str:
    return name


def greeter() -> Service:
    service = Service("Greeter")
    service.handler()(greet)
    return service


def test_an_application_holds_its_services():
    first, second = greeter(), Workflow("Signup")
    assert app([first, second]).services == (first, second)
    assert app(services=iter([first])).services == (first,)


def test_options_are_kept():
    @asynccontextmanager
    async def lifespan():
        yield

    made = app([greeter()], identity_keys=["publickeyv1_x"], lifespan=lifespan)
    assert made.identity_keys == ("publickeyv1_x",)
    assert made.lifespan is lifespan


@pytest.mark.parametrize(
    ("protocol", "mode"),
    [
        (None, ProtocolMode.BIDI_STREAM),
        ("bidi", ProtocolMode.BIDI_STREAM),
        ("request_response", ProtocolMode.REQUEST_RESPONSE),
    ],
)
def test_the_manifest_says_how_to_talk(protocol: Any, mode: ProtocolMode):
    assert app([greeter()], protocol=protocol).manifest().protocol_mode is mode


def test_the_manifest_shows_handlers_declared_later():
    service = greeter()
    made = app([service])
    service.handler("again")(greet)
    assert [each.name for each in made.manifest().services[0].handlers] == ["greet", "again"]


def test_the_host_serves_what_the_manifest_says():
    made = app([greeter()])
    assert made.host().manifest() == made.manifest()


def test_a_workflow_needs_a_main_handler():
    workflow = Workflow("Signup")
    workflow.handler()(greet)
    made = app([workflow])
    with pytest.raises(DefinitionError, match=r"'Signup' has no main handler: decorate one with"):
        made.manifest()


@pytest.mark.parametrize(
    ("services", "message"),
    [
        ([greeter(), greeter()], "there are two services 'Greeter'"),
        ([greet], "a service is a Service, VirtualObject or Workflow, not function"),
        (greeter(), r"services is a list: write app\(\[Greeter\]\)"),
    ],
)
def test_wrong_services(services: Any, message: str):
    with pytest.raises(DefinitionError, match=message):
        app(services)


def test_a_wrong_protocol():
    with pytest.raises(DefinitionError, match="'bidi' or 'request_response', not 'http'"):
        app([], protocol="http")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("definition", "hint", "said"),
    [
        (perdure.Service, perdure.ObjectContext, "its context is a Context, not a ObjectContext"),
        (perdure.VirtualObject, perdure.WorkflowContext, "its context is a ObjectContext"),
    ],
)
def test_a_handler_that_expects_another_context_is_refused(definition, hint, said):
    service = definition("S")

    @service.handler()
    async def handle(ctx: hint) -> None: ...

    with pytest.raises(DefinitionError, match=said):
        perdure.app([service]).host()


def test_a_context_that_comes_second_is_refused():
    service = perdure.Service("S")

    @service.handler()
    async def handle(name: str, ctx: perdure.Context) -> None: ...

    with pytest.raises(DefinitionError, match=r"the context comes first: write \(ctx: Context"):
        perdure.app([service]).host()


def test_a_narrower_hint_than_the_context_is_fine():
    counter = perdure.VirtualObject("S")

    @counter.handler()
    async def handle(ctx: perdure.Context) -> None: ...

    perdure.app([counter]).host()
