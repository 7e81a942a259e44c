"""Engines with something in every table, and a way to ask about it."""

from __future__ import annotations

import json

import pyarrow as pa
from engine_world import GREET, RELAY, RUN, EngineWorld, ident, invoke, settled
from near_links import NearLinks
from scripted_host import on

from perdure.core.model.targets import HandlerKind, Target
from perdure.core.model.verdicts import Verdict
from perdure.links.views import Views, lend
from perdure.protocol import messages
from perdure.protocol.ids import InvocationId, keyed_partition_key
from perdure.protocol.messages import End, Error, Failure, Output, Suspension, Value
from perdure.query.lender import Lender
from perdure.query.queries import Queries, QueryLimits


class DayClock:
    """The port ``Clock``: a millisecond later each time it is asked, and no chance."""

    def __init__(self) -> None:
        self.now = 1_795_292_935_473
        self._drawn = 0

    def now_ms(self) -> int:
        self.now += 1
        return self.now

    def chance(self) -> float:
        return 0.0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count, "big")


def object_id(name: str, key: str):
    return InvocationId(keyed_partition_key(key) + ident(name)[8:])


RUNS, FAILS, ENDED, REFUSED, LATER = (ident(name) for name in ("runs", "fails", "ended", "no", "l"))
HOLDS, WAITS = object_id("holds", "k"), object_id("waits", "k")
FLOWS, PAUSED = object_id("flows", "w"), ident("paused")
COUNTER = Target("Counter", "add", HandlerKind.EXCLUSIVE, "k")


class QueryWorld:
    """An engine in memory, or one a partition; ask the first."""

    #: How many partitions there are.
    partitions = 1

    def __init__(self, limits: QueryLimits | None = None) -> None:
        """Prepare; an event loop runs already."""
        self._worlds = [EngineWorld() for _ in range(self.partitions)]
        self.world = self._worlds[0]
        clock = DayClock()
        for world in self._worlds:
            world.clock = clock
        self._limits = limits
        #: Which partition an object's key or an invocation without one was given to.
        self._places = {}

    async def start(self) -> QueryWorld:
        engines = [await world.start() for world in self._worlds]
        self.engine, *others = engines
        self.lenders = [Lender(engine.look) for engine in others]
        self.links = [NearLinks() for _ in others]
        for links, lender in zip(self.links, self.lenders, strict=True):
            lend(links, lender)
        elsewhere = Views(NearLinks(self.links)) if others else None
        self.queries = Queries(self.engine.look, self._limits, elsewhere)
        return self

    def place(self, invocation_id: InvocationId, target: Target = GREET) -> EngineWorld:
        """Give the partition of an invocation: those of one key are in one, others in turn."""
        place = self._places.get(invocation_id)
        if place is None:
            place = self._places.get(target.key, len(self._places) % len(self._worlds))
            self._places[invocation_id] = place
            if target.kind.keyed:
                self._places[target.key] = place
        return self._worlds[place]

    async def rows(self, sql: str) -> list[dict]:
        """Ask for JSON."""
        pieces = [piece async for piece in self.queries.answer(sql, as_json=True)]
        return json.loads(b"".join(pieces))["rows"]

    async def table(self, sql: str):
        """Ask for Arrow."""
        pieces = [piece async for piece in self.queries.answer(sql, as_json=False)]
        return pa.ipc.open_stream(b"".join(pieces)).read_all()

    async def invoke(self, invocation_id, target=GREET, *said, **options):
        """Run a handler, and say what it says."""
        world = self.place(invocation_id, target)
        await world.engine.requests.submit(invoke(invocation_id, target, **options))
        await settled()
        if said:
            world.host.last.say(*said)
            await settled()

    async def populate(self) -> QueryWorld:
        """Put invocations of every status there, with what belongs to them."""
        problem = Error(500, "no luck", "at line 1", 1, "dice", 0x0411)
        await self.invoke(ENDED, RELAY, Output(Value(b'"bye"')), End(), idempotency_key="once")
        await self.invoke(REFUSED, GREET, Output(Failure(418, "teapot")), End())
        await self.invoke(FAILS, GREET, messages.Run(1, "dice"), problem)
        await self.invoke(PAUSED)
        assert await self.place(PAUSED).engine.requests.pause(PAUSED) is Verdict.ACCEPTED
        state = messages.SetState(b"count", Value(b"17"))
        await self.invoke(HOLDS, COUNTER, state, messages.SetState(b"raw", Value(b"\xff\x00")))
        await self.invoke(WAITS, COUNTER)
        promise = messages.CompletePromise("done", Value(b"1"), 1)
        asked, awaited = messages.GetPromise("later", 2), Suspension(on(2, signals=(1,)))
        await self.invoke(FLOWS, RUN, promise, asked, awaited)
        later = self.world.clock.now + 3_600_000
        await self.invoke(LATER, GREET, execution_time=later)
        await self.invoke(RUNS)
        return self
