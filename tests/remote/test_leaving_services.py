"""Services that end a connection in good order, or break one: what that costs who shares it."""

from __future__ import annotations

import asyncio
import struct
from datetime import timedelta

from asgi_services import hypercorned
from remote_world import eventually, play, serving
from scripted_service import good, said, scripted

import perdure
from perdure.protocol.messages import End, Output, Sleep, Value
from perdure.transport.http2_frames import FrameType, frame
from perdure.transport.http_session import PARTINGS_MAX

#: Whatever counts as a failed attempt ends the invocation.
STRICT = {"retry_max_attempts": 1}


def goodbye(last: int) -> bytes:
    """Say goodbye; streams up to this one are still answered."""
    return frame(FrameType.GOAWAY, 0, 0, struct.pack(">LL", last, 0))


def test_what_a_leaving_service_still_answers_is_waited_for():
    async def scenario():
        gate = asyncio.Event()

        async def leaves(stream):
            await stream.input()
            stream.head()
            stream.raw(goodbye(stream.id))
            service.behaviour = good
            await gate.wait()
            stream.say(said(Output(Value(b'"late"')), End()))
            await stream.ended.wait()
            stream.say(b"", end=True)

        async with serving(**STRICT) as world, scripted(leaves) as service:
            await world.registered(service.url)
            first = asyncio.ensure_future(world.call("/S/h", "x"))
            await eventually(lambda: _length(service.streams), 1)
            assert (await world.call("/S/h", "y")).json() == "good"
            assert service.connections == 2
            gate.set()
            assert (await first).json() == "late"
            assert len(service.streams) == 2

    play(scenario())


async def _length(items: list) -> int:
    return len(items)


def test_what_a_leaving_service_leaves_is_tried_again_and_is_no_failure():
    async def scenario():
        async def deserts(stream):
            await stream.input()
            stream.head()
            stream.say(said(Sleep(0, 1)))
            service.behaviour = good
            stream.raw(goodbye(stream.id))
            # The server asks whether somebody is there; this one is, and hangs up.
            await service.pinged.wait()
            stream.vanish()

        async with serving(**STRICT) as world, scripted(deserts) as service:
            await world.registered(service.url)
            assert (await world.call("/S/h", "x")).json() == "good"
            assert len(service.streams) == 2

    play(scenario())


def test_a_service_that_always_leaves_and_gets_nothing_done_fails_its_attempts_in_the_end():
    async def scenario():
        async def deserts(stream):
            await stream.input()
            stream.head()
            stream.raw(goodbye(stream.id))
            await service.pinged.wait()
            stream.vanish()

        async with serving(**STRICT) as world, scripted(deserts) as service:
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            await eventually(lambda: world.status(invocation), "paused")
            assert (await world.shown(invocation))["last_failure_error_code"] == "RT0010"
            assert len(service.streams) == 1 + PARTINGS_MAX

    play(scenario())


def test_a_service_that_breaks_a_connection_without_goodbye_fails_its_attempts():
    async def scenario():
        async def breaks(stream):
            await stream.input()
            stream.head()
            stream.say(said(Sleep(0, 1)))
            await eventually(lambda: _length(stream.heard), 3)
            stream.vanish()

        async with serving(**STRICT) as world, scripted(breaks) as service:
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            await eventually(lambda: world.status(invocation), "paused")
            assert (await world.shown(invocation))["last_failure_error_code"] == "RT0010"

    play(scenario())


def napping(milliseconds: int) -> perdure.App:
    tools = perdure.Service("Tools")

    @tools.handler()
    async def nap(ctx: perdure.Context, name: str) -> str:
        greeting = await ctx.run_typed("greet", lambda: f"Hello {name}")
        await ctx.sleep(timedelta(milliseconds=milliseconds))
        return greeting

    @tools.handler()
    async def greet(_ctx: perdure.Context, name: str) -> str:
        return f"Hello {name}"

    return perdure.app([tools])


def test_a_server_that_recycles_its_connections_fails_nobody():
    """Hypercorn ends a connection after so many requests, and loses those that are under way."""

    async def scenario():
        recycling = hypercorned(napping(20), keep_alive_max_requests=20)
        before = {"connection_requests_limit": 20}
        async with serving(**STRICT, **before) as world, recycling as url:
            await world.registered(url)
            calls = [world.call("/Tools/nap", f"{number}") for number in range(100)]
            answers = await asyncio.gather(*calls)
            assert [each.json() for each in answers] == [f"Hello {number}" for number in range(100)]

    play(scenario())


class Forgetful:
    """An application that has forgotten a handler, until it is reminded."""

    def __init__(self, app: perdure.App) -> None:
        self.app = app.asgi() if hasattr(app, "asgi") else app
        self.reminded = False
        self.refused = 0
        self.asked: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        path = scope.get("path", "")
        self.asked.append(path)
        if path.endswith("/greet") and not self.reminded:
            self.refused += 1
            scope = {**scope, "path": "/invoke/Tools/forgotten"}
        await self.app(scope, receive, send)


def test_requests_that_a_service_refuses_cost_those_beside_them_nothing():
    async def scenario():
        app = Forgetful(napping(1_000))
        async with serving() as world, hypercorned(app) as url:
            await world.registered(url)
            naps = [asyncio.ensure_future(world.call("/Tools/nap", f"{i}")) for i in range(10)]
            large = "x" * 300_000  # more than arrives before the refusal
            refused = [asyncio.ensure_future(world.call("/Tools/greet", large)) for _ in range(5)]
            await eventually(lambda: _refused(app), lambda count: count >= 20)
            answers = await asyncio.gather(*naps)
            assert [each.json() for each in answers] == [f"Hello {i}" for i in range(10)]
            assert app.asked.count("/invoke/Tools/nap") == 10
            app.reminded = True
            assert {each.json() for each in await asyncio.gather(*refused)} == {f"Hello {large}"}

    play(scenario())


async def _refused(app: Forgetful) -> int:
    return app.refused
