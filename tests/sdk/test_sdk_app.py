from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest

import perdure
from perdure.endpoint import Endpoint
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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"services": 5}, r"services is a list: write services=\[...\], not 5"),
        ({"services": "Greeter"}, "services is a list"),
        ({"identity_keys": "publickeyv1_x"}, "identity_keys is a list"),
        ({"lifespan": nullcontext()}, "lifespan is a function that makes .*, not nullcontext"),
        ({"lifespan": "lifespan"}, "lifespan is a function .*, not str"),
    ],
)
def test_wrong_arguments(given: dict[str, Any], message: str):
    with pytest.raises(DefinitionError, match=message):
        app(**{"services": [greeter()], **given})


def test_an_application_may_have_no_services():
    assert app([]).manifest().services == ()


def test_an_endpoint_collects_what_makes_an_application():
    endpoint = Endpoint().bind(greeter()).streaming_protocol().identity_key("publickeyv1_x")
    assert endpoint.app().protocol_mode is ProtocolMode.BIDI_STREAM
    signup = Workflow("Signup")
    made = endpoint.bind(signup).request_response_protocol().app()
    assert [each.name for each in made.services] == ["Greeter", "Signup"]
    assert made.protocol_mode is ProtocolMode.REQUEST_RESPONSE
    assert made.identity_keys == ("publickeyv1_x",)


def test_an_endpoint_binds_all_services_or_none():
    endpoint = Endpoint().bind(greeter())
    with pytest.raises(DefinitionError, match="there are two services 'Greeter'"):
        endpoint.bind(Service("Other"), greeter())
    with pytest.raises(DefinitionError, match=r"a service is a Service, .* not str"):
        endpoint.bind("Other")  # type: ignore[arg-type]
    assert list(endpoint.services) == ["Greeter"]


def test_an_endpoint_hands_on_its_codec():
    class Plain(perdure.JournalValueCodec):
        def encode(self, buf: bytes) -> bytes:
            return buf

        async def decode(self, buf: bytes) -> bytes:
            return buf

    assert Endpoint().set_journal_value_codec(Plain()).app().codec is not None
    with pytest.raises(DefinitionError, match="codec"):
        Endpoint().set_journal_value_codec("plain").app()  # type: ignore[arg-type]


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
