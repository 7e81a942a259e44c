"""An engine over memory, in virtual time; it can crash and be started again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from scripted_host import ScriptedHost
from virtual_time import VirtualClock

from perdure.core.model.deployments import Defaults
from perdure.core.model.invocations import Invocation, Retention
from perdure.core.model.records import Invoke, Record, RecordBody
from perdure.core.model.shares import ALONE, Share
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.engine import Engine, EngineOptions, World
from perdure.engine.ports import StorageError
from perdure.engine.registry import RegistryKeeper
from perdure.engine.transports import Transports
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Input, JournalMessage, Value
from perdure.storage.document import MemoryDocument
from perdure.storage.memory_log import MemoryLog, MemoryRecords
from perdure.storage.memory_store import MemoryStore
from perdure.transport.in_process import SCHEME, InProcessTransport, endpoint_of

DAY_MS = 24 * 60 * 60 * 1000
KEPT = Retention(DAY_MS, DAY_MS)

GREET = Target("Greeter", "greet", HandlerKind.SERVICE)
RELAY = Target("Greeter", "relay", HandlerKind.SERVICE)
ADD = Target("Counter", "add", HandlerKind.EXCLUSIVE, "k")
RUN = Target("Signup", "run", HandlerKind.WORKFLOW, "w")


IN = Input(Value(b"in"))


def ident(name: str) -> InvocationId:
    """Give an id that can be read in a failing test."""
    return InvocationId(name.encode().rjust(24, b"."))


A, B, C = (ident(name) for name in "ABC")


def invoke(
    invocation_id: InvocationId = A,
    target: Target = GREET,
    *,
    retention: Retention = KEPT,
    input: Input = IN,  # noqa: A002 - that is its name
    **options,
) -> Invoke:
    return Invoke(invocation_id, target, input, retention, **options)


def records_of(log: MemoryRecords) -> list[RecordBody]:
    """Give what a log holds."""
    decode = msgspec.msgpack.Decoder(Record).decode
    return [decode(encoded).body for _, encoded in log.read(1)]


def rows_of(store: MemoryStore) -> list[tuple[bytes, bytes]]:
    """Give all that a store holds."""
    return list(store.scan(b"", b"\xff" * 64))


async def until(condition: Callable[[], object], deadline_s: float = 3600) -> None:
    """Let (virtual) time pass until a condition holds."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - of many things, that no event tells
            await asyncio.sleep(0.001)


async def settled() -> None:
    """Let everybody do what they can do now."""
    for _ in range(20):
        await asyncio.sleep(0)


class EngineWorld:
    """One server's memory, and the engine that runs on it now."""

    def __init__(self, host: ScriptedHost | None = None, share: Share = ALONE, **options) -> None:
        self.share = share
        self.records = MemoryRecords()
        self.store = MemoryStore()
        self.document = MemoryDocument()
        self.clock = VirtualClock()
        self.host = ScriptedHost() if host is None else host
        self.defaults = Defaults()
        self.options = EngineOptions(**options)
        self.failures: list[BaseException] = []

    async def start(self) -> Engine:
        """Start an engine on what there is."""
        loop = asyncio.get_running_loop()
        self.log = MemoryLog(loop.call_soon, records=self.records)
        self.transport = InProcessTransport()
        self.keeper = RegistryKeeper(self.document, self.clock, self.defaults)
        self.serve(self.host)
        transports = Transports({SCHEME: self.transport})
        world = World(self.log, self.store, self.clock, self.keeper, transports, self.share)
        self.engine = Engine(world, self.options, self.failures.append)
        await self.engine.start()
        return self.engine

    def serve(self, host: ScriptedHost, name: str = "app") -> str:
        """Serve a host's services instead of those so far; give the deployment's id."""
        self.host = host
        self.transport.add(endpoint_of(name), host)
        return self.keeper.register(endpoint_of(name), host.manifest()).id

    async def crash(self) -> None:
        """Lose all that is neither in the log nor in the store, and start again."""
        self.log.close()
        abandon(self.engine)
        self.host.sessions.clear()
        await self.start()

    async def stop(self, grace_s: float = 0) -> None:
        """Stop as a server does."""
        await self.engine.drain(grace_s)
        await self.engine.close()

    def row(self, invocation_id: InvocationId = A) -> Invocation | None:
        return self.engine.partition.tables.invocations.get(invocation_id)

    def status(self, invocation_id: InvocationId = A) -> str | None:
        row = self.row(invocation_id)
        return None if row is None else type(row.status).__name__

    def journal(self, invocation_id: InvocationId = A) -> list[JournalMessage]:
        rows = self.engine.partition.tables.journals.rows(invocation_id)
        return [entry.message for _, entry in rows]

    def proposed(self) -> Iterable[RecordBody]:
        """Give what the log holds."""
        return records_of(self.records)


async def running(host: ScriptedHost | None = None, **options) -> EngineWorld:
    """Give a world whose engine has started."""
    world = EngineWorld(host, **options)
    await world.start()
    return world


def propose(world: EngineWorld, *bodies: RecordBody) -> None:
    """Propose records behind the back of those who take requests."""
    for body in bodies:
        world.engine.partition.propose(body)


def ask(request: Awaitable) -> asyncio.Future:
    """Begin a request."""
    return asyncio.ensure_future(request)


def abandon(engine: Engine) -> None:
    """Take an engine out of the loop, as the death of its process does."""
    engine.partition.fail(StorageError("crashed"))
    engine._invoker.abort_all()
    engine._timers.stop()
    engine._janitor.stop()
    engine.outbox.stop()
    engine.intake.stop()
    if engine._checkpoint is not None:
        engine._checkpoint.cancel()
