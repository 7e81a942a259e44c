import asyncio

import pytest

from perdure.ingress.watching import DISCONNECT_EXTENSION, Listener, disconnect_of

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


def listen(scenario):
    """Run a scenario with a listener that begins at once, and its client."""

    async def run():
        client = Client()
        listener = Listener(client.receive, unwatched_s=0)
        return await asyncio.wait_for(scenario(listener, client), DEADLINE_S)

    return asyncio.run(run())


def test_a_client_that_goes_is_told_of():
    async def scenario(listener, client):
        told = asyncio.Event()
        listener(told.set)
        await client.heard.wait()
        assert not told.is_set()
        client.says.set_result(GONE)
        await told.wait()

    listen(scenario)


def test_nothing_is_left_behind():
    async def scenario(listener, client):
        before = asyncio.all_tasks()
        listener(lambda: pytest.fail("nobody has gone"))
        await client.heard.wait()
        assert len(asyncio.all_tasks() - before) == 1
        listener(None)
        await asyncio.sleep(0)
        return asyncio.all_tasks() - before

    assert listen(scenario) == set()


def test_a_short_call_is_not_watched():
    async def run():
        async def receive():
            pytest.fail("nobody should listen")

        before = asyncio.all_tasks()
        watch = disconnect_of({}, receive)
        watch(lambda: pytest.fail("nobody has gone"))
        await asyncio.sleep(0)
        watch(None)
        return asyncio.all_tasks() - before

    assert asyncio.run(run()) == set()


def test_a_server_that_calls_back_is_taken_at_its_word():
    watched = []
    scope = {"extensions": {DISCONNECT_EXTENSION: watched.append}}
    disconnect_of(scope, None)("callback")
    assert watched == ["callback"]


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {"tls": {}}}])
def test_other_servers_are_listened_to(scope):
    assert isinstance(disconnect_of(scope, None), Listener)
