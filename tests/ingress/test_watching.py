import asyncio

import pytest

from perdure.ingress.bodies import ClientGoneError
from perdure.ingress.errors import UnavailableError
from perdure.ingress.watching import (
    DISCONNECT_EXTENSION,
    Listener,
    disconnect_of,
    while_connected,
)

DEADLINE_S = 10
GONE = {"type": "http.disconnect"}


class Client:
    """Says nothing until told to."""

    def __init__(self):
        self.heard = asyncio.Event()
        self.says = asyncio.get_running_loop().create_future()

    async def receive(self):
        self.heard.set()
        return await self.says


def watch(scenario):
    """Run a scenario with the watched waiting, what it waits for, and its client to listen to."""

    async def run():
        loop = asyncio.get_running_loop()
        result, client = loop.create_future(), Client()
        watched = while_connected(result, Listener(client.receive, unwatched_s=0), "inv_1")
        waiting = loop.create_task(watched)
        return await asyncio.wait_for(scenario(waiting, result, client), DEADLINE_S)

    return asyncio.run(run())


def test_a_result_is_handed_over():
    async def scenario(waiting, result, _client):
        result.set_result("done")
        return await waiting

    assert watch(scenario) == "done"


def test_nothing_is_left_behind():
    async def scenario(waiting, result, client):
        before = asyncio.all_tasks()
        await client.heard.wait()
        assert len(asyncio.all_tasks() - before) == 1
        result.set_result("done")
        await waiting
        await asyncio.sleep(0)
        return asyncio.all_tasks() - before

    assert watch(scenario) == set()


def test_the_waiting_ends_with_the_client():
    async def scenario(waiting, result, client):
        client.says.set_result(GONE)
        with pytest.raises(ClientGoneError):
            await waiting
        return result.cancelled(), waiting.cancelling()

    assert watch(scenario) == (True, 0)


def test_an_error_is_passed_on():
    async def scenario(waiting, result, _client):
        result.set_exception(LookupError("nothing there"))
        with pytest.raises(LookupError):
            await waiting

    watch(scenario)


def test_a_cancelled_request_tells_how_to_come_back():
    async def scenario(waiting, _result, _client):
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(UnavailableError, match="inv_1"):
            await waiting

    watch(scenario)


def test_a_short_call_is_not_watched():
    async def run():
        async def receive():
            pytest.fail("nobody should listen")

        result = asyncio.get_running_loop().create_future()
        result.set_result("done")
        return await while_connected(result, disconnect_of({}, receive), "inv_1")

    assert asyncio.run(run()) == "done"


class Server:
    """Calls back when the client goes away."""

    def __init__(self):
        self.callback = None
        self.has_callback = asyncio.Event()

    def watch_disconnect(self, callback):
        self.callback = callback
        self.has_callback.set()


def watch_by_server(scenario):
    """Run a scenario with the watched waiting, what it waits for, and a server that calls back."""

    async def run():
        loop = asyncio.get_running_loop()
        result, server = loop.create_future(), Server()
        scope = {"extensions": {DISCONNECT_EXTENSION: server.watch_disconnect}}
        watched = while_connected(result, disconnect_of(scope, None), "inv_1")
        waiting = loop.create_task(watched)
        await server.has_callback.wait()
        return await asyncio.wait_for(scenario(waiting, result, server), DEADLINE_S)

    return asyncio.run(run())


def test_a_server_that_calls_back_ends_the_waiting():
    async def scenario(waiting, result, server):
        server.callback()
        with pytest.raises(ClientGoneError):
            await waiting
        return result.cancelled(), waiting.cancelling(), server.callback

    assert watch_by_server(scenario) == (True, 0, None)


def test_a_server_is_told_when_nobody_watches_any_more():
    async def scenario(waiting, result, server):
        result.set_result("done")
        return await waiting, server.callback

    assert watch_by_server(scenario) == ("done", None)


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"tls": {}}}])
def test_other_servers_are_listened_to(scope):
    assert isinstance(disconnect_of(scope, None), Listener)
