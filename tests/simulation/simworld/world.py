"""Everything there is in one run: faults strike, faults stop, and all comes to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from perdure.core.model.invocations import Completed, Invocation, Paused
from perdure.engine.errors import RefusalError
from perdure.engine.requests import Requests
from perdure.protocol.ids import InvocationId, invocation_text
from simworld import faults
from simworld.clients import Clients, read, request
from simworld.hardware import Hardware
from simworld.history import History
from simworld.loop import Scheduler, SpinningError
from simworld.network import LostError, Network
from simworld.node import Node
from simworld.plan import SPAN_S, Plan
from simworld.processes import Processes
from simworld.programs import LEDGERS
from simworld.releases import Releases
from simworld.remote import Fleet
from simworld.shop import Shop
from simworld.violations import Violation
from simworld.watching import Watch

#: How long everything may take to come to its end once the faults have stopped, in seconds; what
#: the clock was set back comes on top.
PATIENCE_S = 300.0
#: So many callbacks come at the most from one look at the leader's memory to the next.
WAKERS_UNCHECKED_MAX = 100
#: After so long every result may be forgotten, in milliseconds; and so long it may take to notice,
#: in seconds.
RETENTION_MS = 25 * 3_600_000
NOTICE_S = 20.0
#: Where a scan begins and ends that gives the rows of all invocations, and how many it gives.
EVERYONE = (b"", b"\xff" * 25, 1 << 30)


class World:
    """Everything there is in one run."""

    def __init__(self, plan: Plan, shop: Shop, every: int) -> None:
        self.plan = plan
        self.shop = shop
        self.scheduler = Scheduler()
        self.history = History(self.scheduler.time)
        self.hardware = Hardware(plan, self.history, self.scheduler)
        self.watch = Watch(self.hardware.truth, self.hardware.random("watch"), every)
        self.loop = self.hardware.new_loop()
        self.processes = Processes(self.hardware, self.loop, self._make_node)
        self.network = Network(self.hardware, self.loop, self.processes)
        self.clients = Clients(self.network, self.history, self._anyone)
        self._chance = self.hardware.random("wakers")
        self._unchecked_left = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self.app = Releases(shop.manifest, plan.sizes)
        self.fleet = Fleet(self.hardware, shop, self.app.manifest())
        outside = shop.outside
        outside.history = self.history
        outside.now_ms = self.hardware.now_ms
        outside.post = self._post
        outside.point = self._point

    # -- From the beginning to the end

    def live(self) -> None:
        """Let the plan come true.

        Raises:
            Violation: a promise was broken.
        """
        self.processes.boot()
        for scenario in self.plan.scenarios:
            self.clients.unfinished += 1
            self._spawn(self.clients.act(scenario))
        self._spawn(self._resume_paused())
        for fault in self.plan.faults:
            self.loop.call_later(fault.at_s, self._strike, fault.kind, fault.number)
        self._run(SPAN_S)
        self._calm_down()
        self._run_until_ended()
        self._judge()
        self._run_until_forgotten()

    def _run_until_ended(self) -> None:
        set_back = [fault for fault in self.plan.faults if fault.kind == "clock back"]
        limit = self.scheduler.now_s + PATIENCE_S + len(set_back) * max(faults.JUMPS_MS) / 1000
        while self.clients.unfinished or self._alive():
            if self.scheduler.now_s > limit:
                raise Violation("everything finishes", self._what_hangs())
            self._run(self.scheduler.now_s + 1.0)

    def _run_until_forgotten(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self.plan.sizes.restart_at_night and self.node is not None:
            self.node.stop(1.0)
            self._run(self.scheduler.now_s + 10)
        self.hardware.clock_error_ms += RETENTION_MS
        self._run(self.scheduler.now_s + NOTICE_S)
        engine = self._engine()
        image = self.watch.look(engine)
        left = {
            name
            for name in ("invocations", "timers", "running", "parked", "expiries", "lines", "locks")
            if getattr(image, name)
        }
        left |= {name for name in ("journals", "promises") if any(getattr(image, name).values())}
        if left:
            raise Violation("no growth", f"when all was forgotten there was still {sorted(left)}")
        if engine._invoker._open or engine._timers._heap or engine.requests._waiters:
            raise Violation("no growth", "the leader remembers what is over")

    def _judge(self) -> None:
        for ledger in LEDGERS:
            self.history.judge_ledger(ledger, self._ask_lines(ledger))
        engine = self._engine()
        assert self.node is not None
        self.watch.look(engine)
        self.watch.check_wakers(engine)
        self.watch.compare(self.node)

    def _ask_lines(self, ledger: str) -> list[str]:
        async def ask(requests: Requests) -> Any:
            return await requests.call(request(requests, "Ledger", "lines", None, key=ledger))

        task = self._spawn(self.network.insist(ask))
        self._run(self.scheduler.now_s + 60, task.done)
        if not task.done():
            raise Violation("everything finishes", f"{ledger} cannot be read")
        lines: list[str] = read(task.result())
        return lines

    def _run(self, until_s: float, stop: Any = None) -> None:
        history = self.history

        def over() -> bool:
            return history.violation is not None or (stop is not None and stop())

        try:
            self.scheduler.run(until_s, over)
        except SpinningError as error:
            raise Violation("nobody spins", str(error)) from error
        if self.history.violation is not None:
            raise self.history.violation

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self._tasks.append(task)
        return task

    # -- Processes

    @property
    def node(self) -> Node | None:
        """The process that leads."""
        return self.processes.node

    def _make_node(self, gone: Callable[[Node, str], None]) -> Node:
        node = Node(self.hardware, self.shop, self.app, self.fleet, self._started, gone)
        node.loop.after = partial(self._after_callback, node)
        return node

    def _started(self, node: Node) -> None:
        engine = node.engine
        assert engine is not None
        try:
            self.watch.look(engine)
            self.watch.compare(node)
        except Violation as violation:
            self.history.accuse(violation.promise, violation.what)
        self.watch.follow(engine, self.history.accuse)

    # -- What happens besides

    def _after_callback(self, node: Node) -> None:
        if node is not self.processes.node:
            return
        self._unchecked_left -= 1
        if self._unchecked_left < 0 and node.serving and node.engine is not None:
            self._unchecked_left = self._chance.randrange(WAKERS_UNCHECKED_MAX)
            try:
                self.watch.check_wakers(node.engine)
            except Violation as violation:
                self.history.accuse(violation.promise, violation.what)
        if node.fuse.kind == "callback":
            node.point("callback")

    def _point(self, kind: str) -> bool:
        return self.node is not None and self.node.point(kind)

    def _post(self, awakeable_id: str, name: str) -> None:
        """Take an awakeable to a client, who completes it after a while."""
        latency = self.hardware.random("mail").uniform(0.001, 0.05)
        self.loop.call_later(latency, self._complete, awakeable_id, name)

    def _complete(self, awakeable_id: str, name: str) -> None:
        self._spawn(self.clients.complete(awakeable_id, name))

    def _strike(self, kind: str, number: int) -> None:
        self.history.note("fault", kind, number)
        faults.strike(self, kind, number)

    def _calm_down(self) -> None:
        """Let nothing go wrong any more; what is broken is repaired."""
        self.network.rates = {}
        self.fleet.rates = {}
        self.hardware.slow_until_s = 0.0
        node = self.node
        if node is None:
            return
        node.disk.failing = node.disk.space = None
        node.store.repair()
        node.fuse.kind = None

    async def _resume_paused(self) -> None:
        """Look after what is paused, as an operator does."""
        while True:
            await asyncio.sleep(2.0)
            for invocation_id in self._paused():
                with contextlib.suppress(LostError, RefusalError):
                    await self.network.ask(
                        partial(Requests.resume, invocation_id=invocation_id, deployment=None)
                    )

    def _paused(self) -> list[InvocationId]:
        node = self.node
        if node is None or not node.serving or node.engine is None:
            return []
        tables = node.engine.partition.tables
        parked = [InvocationId(key) for key, _ in tables.parked.scan(*EVERYONE)]
        rows = [(who, tables.invocations.get(who)) for who in parked]
        return [who for who, row in rows if row is not None and isinstance(row.status, Paused)]

    def _rows(self) -> list[tuple[InvocationId, Invocation]]:
        """Give what an operator sees in a list of invocations."""
        node = self.node
        if node is None or not node.serving or node.engine is None:
            return []
        rows = node.engine.partition.tables.invocations.scan(*EVERYONE)
        return [(InvocationId(key), row) for key, row in rows]

    def _anyone(self, number: int) -> InvocationId | None:
        """Pick somebody who has not ended."""
        alive = [who for who, row in self._rows() if not isinstance(row.status, Completed)]
        return alive[number % len(alive)] if alive else None

    def _engine(self) -> Any:
        if self.node is None or not self.node.serving:
            raise Violation("everything finishes", "the server is down although nothing is wrong")
        return self.node.engine

    def _alive(self) -> list[str]:
        """Name the invocations that have not ended."""
        if self.node is None or not self.node.serving:
            return ["the server"]
        return [
            f"{invocation_text(who)} {row.target} {row.status}"
            for who, row in self._rows()
            if not isinstance(row.status, Completed)
        ]

    def _what_hangs(self) -> str:
        return f"{self.clients.unfinished} clients wait; {self._alive()}"
