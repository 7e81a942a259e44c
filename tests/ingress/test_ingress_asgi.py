"""The ingress behind ASGI servers: clients that leave, servers that stop, bodies in pieces."""

import asyncio

import pytest
from ingress_support import MemoryEngine, part, scope_of

from perdure.ingress.app import Ingress
from perdure.ingress.watching import DISCONNECT_EXTENSION

DEADLINE_S = 10
GONE = {"type": "http.disconnect"}


class Server:
    """Brings events when told to, keeps what is sent, and calls back when the client goes."""

    def __init__(self, *, calls_back):
        self.events = asyncio.Queue()
        self.sent = []
        self.leave = None
        self.extensions = {DISCONNECT_EXTENSION: self.watch} if calls_back else None

    def watch(self, leave):
        self.leave = leave

    async def send(self, message):
        self.sent.append(message)

    @property
    def answer(self):
        """Status and body of the answer; None if there is none."""
        return (self.sent[0]["status"], self.sent[1]["body"]) if self.sent else None


def play(scenario, *events, method="POST", url="/Greeter/slow", calls_back=True, **options):
    """Run a scenario with an engine, a server with one request, and the task that serves it."""

    async def run():
        engine, server = MemoryEngine(), Server(calls_back=calls_back)
        for event in events:
            server.events.put_nowait(event)
        scope = scope_of(method, url, [("content-type", "application/json")])
        scope["extensions"] = server.extensions
        serving = Ingress(engine, **options)(scope, server.events.get, server.send)
        task = asyncio.get_running_loop().create_task(serving)
        await asyncio.wait_for(scenario(engine, server, task), DEADLINE_S)
        return engine, server.answer

    return asyncio.run(run())


def test_a_client_that_goes_ends_the_waiting_alone():
    async def scenario(engine, server, task):
        await engine.has_accepted.wait()
        await asyncio.sleep(0)
        server.leave()
        await task
        assert server.leave is None

    engine, answer = play(scenario, part(b'"x"', more=False))
    assert answer is None
    assert len(engine.invocations) == len(engine.forgotten) == 1


@pytest.mark.parametrize("events", [[GONE], [part(b"a"), GONE]])
def test_a_client_may_go_before_the_end_of_its_body(events):
    async def scenario(_engine, _server, task):
        await task

    engine, answer = play(scenario, *events)
    assert answer is None
    assert not engine.invocations


@pytest.mark.parametrize("calls_back", [True, False])
def test_a_server_that_stops_tells_how_to_come_back(calls_back):
    async def scenario(engine, _server, task):
        await engine.has_accepted.wait()
        await asyncio.sleep(0)
        task.cancel()
        await task

    _, (status, body) = play(scenario, part(b'"x"', more=False), calls_back=calls_back)
    assert status == 503
    assert b"inv_1" in body


def test_a_server_that_stops_before_the_body_is_there_says_to_ask_again():
    async def scenario(_engine, _server, task):
        await asyncio.sleep(0)
        task.cancel()
        await task

    engine, (status, body) = play(scenario, part(b'"x'))
    assert status == 503
    assert b"again" in body
    assert not engine.invocations


def test_a_body_in_pieces_is_refused_as_soon_as_it_is_too_long():
    async def scenario(_engine, server, task):
        await task
        assert server.events.qsize() == 1

    engine, (status, _) = play(
        scenario, part(b"1" * 6), part(b"2" * 6), part(b"3"), body_bytes_max=10
    )
    assert status == 413
    assert not engine.invocations


def test_a_declared_length_is_refused_before_anything_is_read():
    async def scenario(_engine, server, task):
        await task
        assert server.events.qsize() == 1

    async def run():
        engine, server = MemoryEngine(), Server(calls_back=True)
        server.events.put_nowait(part(b""))
        scope = scope_of("POST", "/Greeter/slow", [("content-length", "11")])
        serving = Ingress(engine, body_bytes_max=10)(scope, server.events.get, server.send)
        await scenario(engine, server, asyncio.get_running_loop().create_task(serving))
        return server.answer

    assert asyncio.run(run())[0] == 413


def test_a_client_that_goes_gives_back_the_room_of_its_body():
    async def run():
        ingress = Ingress(MemoryEngine())
        server = Server(calls_back=True)
        for event in (part(b"12345"), GONE):
            server.events.put_nowait(event)
        await ingress(scope_of("POST", "/Greeter/slow", []), server.events.get, server.send)
        return ingress._room._held

    assert asyncio.run(run()) == 0
