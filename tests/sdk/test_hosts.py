"""Hosts: which handler runs, with which context, within what."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from scripted_server import MANIFEST, Server, host_of, service, virtual_object, workflow

from perdure.protocol.messages import Failure, Input, Output, Value
from perdure.sdk.context import (
    Context,
    ObjectContext,
    ObjectSharedContext,
    WorkflowContext,
    WorkflowSharedContext,
    current_context,
)
from perdure.sdk.errors import ContextMisuseError, RetryableError, TerminalError
from perdure.sdk.host import Host
from perdure.sdk.services import Service, VirtualObject, Workflow
from perdure.server_context import (
    clear_extension_data,
    get_extension_data,
    set_extension_data,
)


async def test_unknown_handlers_are_refused():
    with pytest.raises(LookupError, match="S/other"):
        service(lambda_handler()).open("S", "other", 7, lambda _: None)


def lambda_handler():
    async def run(_ctx: Context) -> None:
        pass

    return run


async def test_each_kind_of_handler_has_its_context():
    seen: list[type] = []

    async def run(ctx: Context) -> None:
        seen.append(type(ctx))
        assert current_context() is ctx

    shared_object, shared_workflow = VirtualObject("S"), Workflow("S")
    shared_object.handler("run", kind="shared")(run)
    shared_workflow.handler("run")(run)
    hosts = [
        service(run),
        virtual_object(run),
        host_of(shared_object),
        workflow(run),
        host_of(shared_workflow),
    ]
    for host in hosts:
        assert Server(host).run().ended
    assert seen == [
        Context,
        ObjectContext,
        ObjectSharedContext,
        WorkflowContext,
        WorkflowSharedContext,
    ]
    assert current_context() is None


async def test_the_request_can_be_read():
    async def run(ctx: Context, _name: str) -> list[object]:
        request = ctx.request()
        event = request.attempt_finished_event
        return [request.id, request.headers, request.body.decode(), event.is_set(), request.scope]

    server = Server(service(run), start={"scope": "s"})
    server.journal[0] = Input(Value(b'"x"'), (("h", "v"),))
    server.run()
    assert server.outcome == b'["inv_1test",{"h":"v"},"\\"x\\"",false,"s"]'


async def test_the_headers_of_an_attempt_can_be_read():
    async def run(ctx: Context) -> dict[str, str]:
        return ctx.request().attempt_headers

    said = []
    host = service(run)
    server = Server(host)
    server.attempt = host.open("S", "run", 7, said.extend, {"a": "b"})
    server.hand_over(server.journal)
    assert said[0] == Output(Value(b'{"a":"b"}'))


class Closed:
    """Something that a library keeps; its names once it is closed."""

    def __init__(self, names: list[str], name: str) -> None:
        self._names = names
        self._name = name

    def __close__(self) -> None:
        self._names.append(self._name)
        if self._name == "bad":
            raise ValueError


async def test_what_libraries_keep_is_closed_with_the_attempt(caplog: pytest.LogCaptureFixture):
    closed: list[str] = []

    async def run(ctx: Context) -> list[object]:
        for name in ("good", "bad", "cleared"):
            set_extension_data(ctx, name, Closed(closed, name))
        set_extension_data(ctx, "plain", 1)
        clear_extension_data(ctx, "cleared")
        return [get_extension_data(ctx, name) for name in ("plain", "cleared")]

    server = Server(service(run))
    server.run()
    assert closed == ["bad", "good"]
    assert "bad, kept for the time of an attempt, could not be closed" in caplog.text
    assert server.outcome == b"[1,null]"


async def test_what_is_kept_is_closed_by_a_plain_function():
    class Asynchronous:
        async def __close__(self) -> None:
            pass

    async def run(ctx: Context) -> str:
        try:
            set_extension_data(ctx, "mine", Asynchronous())
        except ContextMisuseError as error:
            return str(error)
        return ""

    server = Server(service(run))
    server.run()
    assert b"__close__ of mine is a coroutine" in server.outcome


async def test_random_numbers_are_the_same_in_every_attempt():
    async def run(ctx: Context) -> list[str]:
        return [str(ctx.uuid()), str(ctx.random().random())]

    first = Server(service(run)).run().outcome
    assert first == Server(service(run)).run().outcome
    assert first != Server(service(run), start={"random_seed": 8}).run().outcome
    expected = UUID(int=random.Random(7).getrandbits(128), version=4)
    assert str(expected).encode() in first


async def test_context_managers_are_around_the_attempt():
    entered: list[str] = []

    def manager(name: str):
        @asynccontextmanager
        async def around() -> AsyncIterator[None]:
            entered.append(f"+{name}")
            try:
                yield
            finally:
                entered.append(f"-{name}")

        return around

    async def run(_ctx: Context) -> None:
        raise TerminalError("no")

    definition = Service("S", invocation_context_managers=[manager("outer")])
    definition.handler("run", invocation_context_managers=[manager("inner")])(run)
    assert Server(host_of(definition)).run().outcome == Failure(500, "no")
    assert entered == ["+outer", "+inner", "-inner", "-outer"]


async def test_a_group_of_final_failures_is_final():
    async def run(_ctx: Context) -> None:
        raise ExceptionGroup("all", [TerminalError("a", 400), TerminalError("b", 401)])

    assert Server(service(run)).run().outcome == Failure(400, "a")

    async def mixed(_ctx: Context) -> None:
        raise ExceptionGroup("mixed", [TerminalError("a", 400), ValueError("b")])

    assert Server(service(mixed)).run().error.code == 500


async def test_a_wrapped_wish_to_retry_is_heard():
    async def run(_ctx: Context) -> None:
        raise ValueError("wrapped") from RetryableError("later", 503, timedelta(seconds=1))

    error = Server(service(run)).run().error
    assert (error.code, error.message, error.next_retry_delay) == (503, "later", 1000)


@pytest.mark.parametrize(
    "raised", [asyncio.CancelledError(), BaseExceptionGroup("g", [asyncio.CancelledError()])]
)
async def test_no_error_leaves_an_attempt_without_an_end(raised: BaseException):
    async def run(_ctx: Context) -> None:
        raise raised

    assert Server(service(run)).run().error.code == 500


async def test_a_lifespan_is_entered_and_left():
    events: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        events.append("+")
        yield
        events.append("-")

    host = Host([], MANIFEST, lifespan)
    await host.startup()
    assert events == ["+"]
    await host.shutdown()
    await host.shutdown()
    assert events == ["+", "-"]
    assert host.manifest() is MANIFEST
