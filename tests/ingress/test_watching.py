import asyncio

import pytest

from perdure.ingress.bodies import ClientGoneError
from perdure.ingress.errors import UnavailableError
from perdure.ingress.watching import while_connected

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
    """Run a scenario with the watched waiting, what it waits for, and its client."""

    async def run():
        loop = asyncio.get_running_loop()
        result, client = loop.create_future(), Client()
        watched = while_connected(result, client.receive, "inv_1", unwatched_s=0)
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
        return await while_connected(result, receive, "inv_1")

    assert asyncio.run(run()) == "done"
