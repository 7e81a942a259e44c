import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from endpoint_support import CallingClient, Client, encoded, journal

import perdure
from perdure.protocol.messages import (
    VOID,
    AwaitingOn,
    Completion,
    CompletionKind,
    End,
    Error,
    Future,
    Output,
    ProposeRunCompletion,
    Run,
    Sleep,
    Suspension,
    Value,
)
from perdure.sdk.asgi_exchange import read_on

SLEPT = Completion(CompletionKind.SLEEP, 1, VOID)


def served(handler: Any, **options: Any) -> perdure.App:
    service = perdure.Service("S")
    service.handler("run")(handler)
    return perdure.app([service], **options)


async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"


async def nap(ctx: perdure.Context) -> str:
    await ctx.sleep(timedelta(seconds=1))
    return "slept"


@pytest.fixture(params=[Client, CallingClient])
def way(request: pytest.FixtureRequest) -> type[Client]:
    """How the server takes turns with the application."""
    kind: type[Client] = request.param
    return kind


async def test_discovery_over_both_versions_of_http():
    app = served(greet)
    for version, mode in (("2", b"BIDI_STREAM"), ("1.1", b"REQUEST_RESPONSE")):
        client = await Client(app, "GET", "/discover", http_version=version).done()
        assert client.status == 200
        assert client.headers["x-restate-server"].startswith("perdure-sdk/")
        assert mode in client.body
        assert client.complete


async def test_a_handler_that_needs_nothing_more(way: type[Client]):
    client = way.invoking(served(greet))
    client.say(*journal())
    assert await client.heard(2) == [Output(Value(b'"Hello Ada"')), End()]
    assert not client.complete
    client.end()
    await client.done()
    assert client.complete
    assert client.status == 200
    assert client.headers["content-type"] == "application/vnd.restate.invocation.v6"


async def test_a_whole_request_gets_a_whole_answer(way: type[Client]):
    client = way.invoking(served(greet))
    client.say(*journal(), more=False)
    await client.done()
    assert [event["type"] for event in client.sent] == [
        "http.response.start", "http.response.body",
    ]  # fmt: skip
    assert await client.heard(2) == [Output(Value(b'"Hello Ada"')), End()]


async def test_both_sides_talk_at_the_same_time(way: type[Client]):
    client = way.invoking(served(nap))
    client.say(*journal())
    (sleep,) = await client.heard(1)
    assert isinstance(sleep, Sleep)
    client.say(SLEPT)
    assert await client.heard(2) == [Output(Value(b'"slept"')), End()]
    client.end()
    assert (await client.done()).complete


async def test_the_end_of_the_request_suspends(way: type[Client]):
    client = way.invoking(served(nap))
    client.say(*journal())
    await client.heard(1)
    client.end()
    assert await client.heard(1) == [Suspension(Future((1,), (1,)))]
    assert (await client.done()).complete


async def test_version_7_tells_what_it_waits_for(way: type[Client]):
    client = way.invoking(served(nap), version=7)
    client.say(*journal())
    _, awaiting = await client.heard(2)
    assert awaiting == AwaitingOn(Future((1,), (1,)))
    client.disconnect()
    await client.done()


async def test_the_head_comes_before_there_is_anything_to_say(way: type[Client]):
    outside = asyncio.get_running_loop().create_future()

    async def patient(ctx: perdure.Context) -> None:
        await outside

    client = way.invoking(served(patient))
    client.say(*journal())
    await client.grown.wait()
    assert (client.status, client.body) == (200, b"")
    outside.set_result(None)
    assert (await client.heard(2))[-1] == End()
    client.end()
    await client.done()


async def test_runs_go_on_after_the_end_of_the_request(way: type[Client]):
    go_on = asyncio.Event()

    async def action() -> int:
        await go_on.wait()
        return 1

    async def run(ctx: perdure.Context) -> int:
        return await ctx.run_typed("action", action)

    client = way.invoking(served(run))
    client.say(*journal(), more=False)
    assert await client.heard(1) == [Run(1, "action")]
    go_on.set()
    assert await client.heard(2) == [
        ProposeRunCompletion(1, Value(b"1")), Suspension(Future((1,), (1,))),
    ]  # fmt: skip
    assert (await client.done()).complete


@pytest.mark.parametrize("when", ["before the journal", "within a run", "after the request"])
async def test_who_leaves_takes_the_attempt_along(way: type[Client], when: str):
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def action() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def run(ctx: perdure.Context) -> None:
        await ctx.run_typed("action", action)

    client = way.invoking(served(run))
    if when == "before the journal":
        client.disconnect()
        await client.done()
        assert client.sent == []
        return
    client.say(*journal(), more=when != "after the request")
    await started.wait()
    client.disconnect()
    await client.done()
    await asyncio.wait_for(cancelled.wait(), 5)
    assert not client.complete


async def test_a_server_that_stops_ends_the_attempt(way: type[Client]):
    cancelled = asyncio.Event()

    async def action() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def run(ctx: perdure.Context) -> None:
        await ctx.run_typed("action", action)

    client = way.invoking(served(run))
    client.say(*journal())
    await client.heard(1)
    client.stop()
    with suppress(asyncio.CancelledError):
        await client.task
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_journal_in_pieces(way: type[Client]):
    client = way.invoking(served(greet))
    for byte in encoded(journal()):
        client.push(bytes([byte]))
    assert await client.heard(2) == [Output(Value(b'"Hello Ada"')), End()]
    client.end()
    await client.done()


async def test_garbage_is_told_in_band(way: type[Client]):
    client = way.invoking(served(greet))
    client.push(b"\x00\x09\x00\x00\x00\x00\x00\x00", more=False)
    await client.done()
    assert client.status == 200
    (error,) = await client.heard(1)
    assert isinstance(error, Error)
    assert "type 0x0009" in error.message


async def test_no_journal_at_all(way: type[Client]):
    client = way.invoking(served(greet))
    client.end()
    await client.done()
    (error,) = await client.heard(1)
    assert (error.code, client.complete) == (571, True)


async def test_a_reader_that_is_slow_holds_the_writer_up():
    release = asyncio.Event()

    class Slow(Client):
        async def send(self, event: dict[str, Any]) -> None:
            await release.wait()
            await super().send(event)

    client = Slow.invoking(served(nap))
    client.say(*journal())
    client.say(SLEPT)
    client.end()
    for _ in range(50):
        await asyncio.sleep(0)
    assert client.events.empty()
    assert client.sent == []
    release.set()
    assert (await client.heard(3))[-1] == End()
    assert (await client.done()).complete


async def test_a_defect_costs_one_attempt_and_not_the_connection():
    class Broken(CallingClient):
        def start(self, status: int, headers: Any) -> None:
            raise RuntimeError(status)

    client = Broken.invoking(served(greet))
    client.say(*journal())
    with pytest.raises(RuntimeError, match="200"):
        await client.done()


async def test_other_kinds_of_connections():
    with pytest.raises(ValueError, match="only http is served here, not websocket"):
        await served(greet)({"type": "websocket"}, None, None)


class Resource:
    """Something that handlers share."""

    def __init__(self) -> None:
        self.events: list[str] = []

    @asynccontextmanager
    async def open(self):
        self.events.append("entered")
        yield
        self.events.append("left")


async def lifespan(app: Any, *said: str) -> list[str]:
    """Play the server's half of the lifespan protocol; give the types of the answers."""
    events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    answers: list[str] = []

    async def send(event: dict[str, str]) -> None:
        answers.append(event["type"])

    for each in said:
        events.put_nowait({"type": f"lifespan.{each}"})
    await app({"type": "lifespan"}, events.get, send)
    return answers


async def test_the_server_says_when_the_lifespan_begins_and_ends():
    resource = Resource()
    app = served(greet, lifespan=resource.open)
    answers = await lifespan(app, "startup", "shutdown")
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert resource.events == ["entered", "left"]


async def test_a_lifespan_that_fails():
    @asynccontextmanager
    async def broken():
        raise OSError("no database")
        yield

    assert await lifespan(served(greet, lifespan=broken), "startup") == ["lifespan.startup.failed"]

    @asynccontextmanager
    async def clinging():
        yield
        raise OSError("no database")

    answers = await lifespan(served(greet, lifespan=clinging), "startup", "shutdown")
    assert answers == ["lifespan.startup.complete", "lifespan.shutdown.failed"]


def test_a_mounted_application_enters_its_lifespan_once_and_leaves_it_with_the_loop():
    resource = Resource()
    app = served(greet, lifespan=resource.open)

    async def requests() -> None:
        clients = [Client.invoking(app) for _ in range(3)]
        for client in clients:
            client.say(*journal(), more=False)
        for client in clients:
            await client.done()
            assert client.status == 200
        assert resource.events == ["entered"]

    asyncio.run(requests())
    assert resource.events == ["entered", "left"]


async def test_a_mounted_application_whose_lifespan_fails_tries_again():
    fails = [True, False]

    @asynccontextmanager
    async def moody():
        if fails.pop(0):
            raise OSError("no database")
        yield

    app = served(greet, lifespan=moody)
    with pytest.raises(OSError, match="no database"):
        await Client(app, "GET", "/health").done()
    assert (await Client(app, "GET", "/health").done()).status == 200


async def test_the_outer_application_keeps_the_lifespan_of_a_mounted_one():
    resource = Resource()
    app = served(greet, lifespan=resource.open)
    async with app.running():
        assert resource.events == ["entered"]
        assert (await Client(app, "GET", "/health").done()).status == 200
        async with app.running():  # entered already
            pass
        assert resource.events == ["entered"]
    assert resource.events == ["entered", "left"]
    async with served(greet).running():  # There is nothing to enter.
        pass


async def test_mounted_in_fastapi():
    fastapi = pytest.importorskip("fastapi")
    outer = fastapi.FastAPI()
    outer.mount("/restate", served(greet))
    client = Client.invoking(outer, "/restate/invoke/S/run")
    client.say(*journal(), more=False)
    await client.done()
    assert await client.heard(2) == [Output(Value(b'"Hello Ada"')), End()]


async def refused(*events: tuple[bytes, bool]) -> Client:
    """Ask for a handler that there is not, and go on with the request."""
    client = Client.invoking(served(greet), "/invoke/S/nobody")
    async with asyncio.timeout(5):
        while len(client.sent) < 2:
            client.grown.clear()
            await client.grown.wait()
    assert client.status == 404
    assert not client.complete, "the request has not ended"
    for data, more in events:
        client.push(data, more=more)
    return client


async def test_a_request_that_is_refused_is_read_to_its_end():
    client = await (await refused((b"x" * 100_000, True), (b"y", False))).done()
    assert client.complete
    assert b"nobody" in client.body


async def test_a_refused_request_that_is_given_up_gets_no_more():
    client = await refused((b"x", True))
    client.disconnect()
    await client.done()
    assert not client.complete


async def test_a_refused_request_is_not_read_for_ever():
    client = await (await refused(*[(bytes(1024 * 1024), True)] * 2)).done()
    assert client.complete


async def test_a_refused_request_is_not_waited_for_long():
    assert await read_on(asyncio.Queue().get, within_s=0.01)


async def test_what_asks_for_no_attempt_is_answered_at_once():
    client = await Client(served(greet), "GET", "/nothing").done()
    assert (client.status, client.complete, len(client.sent)) == (404, True, 2)
