"""A server of two partitions in one process: what its first process runs, and what the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import httpx
import pytest
from open_servers import DEADLINE_S, until

import perdure
from perdure.core.model.manifest_checks import RegistrationError
from perdure.core.model.shares import share_of
from perdure.server.company import Companion, Companions, PartitionLostError, Place
from perdure.server.doors import bind
from perdure.server.partitioned import SUSPECT_S, open_companion, open_first
from perdure.server.runtime import Failure
from perdure.server.settings import Settings

KEYS = [f"key-{number}" for number in range(10)]


def shop(name="Counter"):
    """Give an application; each process has its own."""
    counter, shops = perdure.VirtualObject(name), perdure.Service("Shop")

    @counter.handler()
    async def add(ctx: perdure.ObjectContext, by: int) -> int:
        total = (await ctx.get("total", type_hint=int) or 0) + by
        ctx.set("total", total)
        return total

    @shops.handler()
    async def add_all(ctx: perdure.Context, keys: list[str]) -> list[int]:
        return [await ctx.object_call(add, key, 1) for key in keys]

    return {"shop": perdure.app([counter, shops]).host()}


class Pair:
    """Both processes, and why each of them stopped."""

    def __init__(self, data_dir=None):
        self.settings = Settings(data_dir=data_dir, shutdown_timeout_ms=2_000)
        self.links = socket.socketpair()
        lines = socket.socketpair()
        places = [Place(share_of(index, 2), {1 - index: self.links[index]}) for index in (0, 1)]
        self.companions = Companions(places[0], {1: lines[0]}, lambda: None)
        self.companion = Companion(places[1], lines[1])
        self.failures = (Failure(), Failure())

    @contextlib.asynccontextmanager
    async def running(self, other_shop="Counter"):
        """Run both; give the first's runtime."""
        async with asyncio.timeout(DEADLINE_S), contextlib.AsyncExitStack() as stack:
            other = asyncio.ensure_future(self.lead_other(shop(other_shop)))
            stack.callback(self.companions.close)
            listeners = {}
            for name in ("ingress", "admin"):
                listeners[name] = stack.enter_context(bind("127.0.0.1", 0, "--port"))
            failure = self.failures[0]
            try:
                async with open_first(
                    self.settings, self.companions, shop(), listeners, failure
                ) as runtime:
                    yield runtime
            finally:
                if failure.reason.done():  # as whoever started it would end it
                    other.cancel()
                await asyncio.wait([other])

    async def lead_other(self, hosts):
        self.companion.start()
        await self.companion.begun
        try:
            async with open_companion(self.settings, hosts, self.failures[1], self.companion):
                ends = {self.companion.stopping, self.failures[1].reason}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except RegistrationError as error:
            self.companions.lose(PartitionLostError(str(error)))
        finally:
            self.companion.close()


async def post(runtime, path, body):
    """Ask on a connection of its own."""
    async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
        response = await client.post(f"{runtime.ingress_url}/{path}", json=body)
        return response.raise_for_status().json()


def test_both_serve_whatever_lives_in_either(run, tmp_path):
    async def scenario(total):
        async with Pair(tmp_path).running() as runtime:
            assert runtime.partitions == 2
            for _ in range(2):
                assert await post(runtime, "Shop/add_all", KEYS) == [total] * len(KEYS)
                total += 1
            async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
                url, accept = f"{runtime.admin_url}/query", {"accept": "application/json"}
                query = {"query": "select target from sys_invocation where target like '%add'"}
                rows = (await client.post(url, json=query, headers=accept)).json()["rows"]
            assert len(rows) == (total - 1) * len(KEYS)

    run(lambda: scenario(1))
    run(lambda: scenario(3))


def test_an_application_that_is_another_one_there_is_refused(run):
    async def scenario():
        with pytest.raises(PartitionLostError, match="do not serve the same"):
            async with Pair().running("Meter"):
                pass

    run(scenario)


def test_the_server_stops_when_a_companion_is_lost(run):
    async def scenario():
        pair = Pair()
        async with pair.running() as runtime:
            lost = PartitionLostError("process 7 of partition 1 was ended by signal 9")
            pair.companions.lose(lost)
            assert await pair.failures[0].reason is lost
            assert runtime.partitions == 2

    run(scenario)


def test_a_link_that_ends_alone_ends_both(run):
    async def scenario():
        pair = Pair()
        async with pair.running():
            pair.links[1].shutdown(socket.SHUT_RDWR)
            until_both = until(lambda: all(each.reason.done() for each in pair.failures))
            await asyncio.wait_for(until_both, SUSPECT_S + DEADLINE_S)
            return [str(each.reason.result()) for each in pair.failures]

    assert run(scenario) == [f"the link to partition {other} has ended" for other in (1, 0)]
