"""Everything there is in one run: faults strike, faults stop, and all comes to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from perdure.core.model.invocations import Completed, Invocation
from perdure.core.model.shares import share_of
from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import RefusalError
from perdure.engine.reception import Reception
from perdure.protocol.ids import InvocationId
from simworld import faults
from simworld.clients import Clients, read, request
from simworld.company import Company
from simworld.crossings import Crossings
from simworld.hardware import Estate, Hardware
from simworld.history import History
from simworld.loop import Scheduler, SpinningError
from simworld.network import LostError, Network
from simworld.node import Node
from simworld.plan import SPAN_S, Plan
from simworld.processes import Processes
from simworld.programs import LEDGERS
from simworld.releases import Releases
from simworld.remote import Fleet
from simworld.seats import Seat
from simworld.shop import Shop
from simworld.violations import Violation

#: How long everything may take to come to its end once the faults have stopped, in seconds; what
#: the clock was set back comes on top.
PATIENCE_S = 300.0
#: After so long every result may be forgotten, in milliseconds; and so long it may take to notice,
#: in seconds.
RETENTION_MS = 25 * 3_600_000
NOTICE_S = 20.0


class World:
    """Everything there is in one run."""

    def __init__(self, plan: Plan, shop: Shop, every: int) -> None:
        self.plan = plan
        self.shop = shop
        self.scheduler = Scheduler()
        self.history = History(self.scheduler.time)
        self.hardware = Hardware(plan, self.history, self.scheduler)
        self.loop = self.hardware.new_loop()
        self.company = Company(self.hardware, self.loop)
        self.seats = [self._make_seat(index, every) for index in range(plan.partitions)]
        self.crossings = Crossings([seat.estate for seat in self.seats], self.history)
        self.processes: list[Processes] = [seat.processes for seat in self.seats]
        self.network = Network(self.hardware, self.loop, self.processes)
        self.clients = Clients(self.network, self.history, self._anyone)
        self._tasks: list[asyncio.Task[Any]] = []
        self.app = Releases(shop.manifest, plan.sizes)
        self.fleet = Fleet(self.hardware, shop, self.app.manifest())
        outside = shop.outside
        outside.history = self.history
        outside.now_ms = self.hardware.now_ms
        outside.post = self._post
        outside.point = self._point
        outside.spread = plan.partitions > 1

    # -- From the beginning to the end

    def live(self) -> None:
        """Let the plan come true.

        Raises:
            Violation: a promise was broken.
        """
        for processes in self.processes:
            processes.boot()
        for scenario in self.plan.scenarios:
            self.clients.unfinished += 1
            self._spawn(self.clients.act(scenario))
        self._spawn(self._resume_paused())
        for fault in self.plan.faults:
            self.loop.call_later(fault.at_s, self._strike, fault.kind, fault.number)
        self._run(SPAN_S)
        self._calm_down()
        if self.plan.partitions > 1:
            # What is frozen finds out what was lost meanwhile.
            self._run(self.scheduler.now_s + max(faults.FROZEN_S) + 3.0)
        self._run_until_ended()
        self._judge()
        self._run_until_forgotten()

    def _run_until_ended(self) -> None:
        set_back = [fault for fault in self.plan.faults if fault.kind == "clock back"]
        limit = self.scheduler.now_s + PATIENCE_S + len(set_back) * max(faults.JUMPS_MS) / 1000
        while self.clients.unfinished or self._alive() or self.crossings.open():
            if self.scheduler.now_s > limit:
                raise Violation("everything finishes", self._what_hangs())
            self._run(self.scheduler.now_s + 1.0)

    def _run_until_forgotten(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self.plan.sizes.restart_at_night:
            for node in self._nodes():
                node.stop(1.0)
            self._run(self.scheduler.now_s + 10)
        self.hardware.clock_error_ms += RETENTION_MS
        self._run(self.scheduler.now_s + NOTICE_S)
        for seat in self.seats:
            seat.judge_what_is_left()

    def _judge(self) -> None:
        for ledger in LEDGERS:
            self.history.judge_ledger(ledger, self._ask_lines(ledger))
        for seat in self.seats:
            seat.judge()
        registered = [seat.engine().requests.registry.deployments for seat in self.seats]
        if any(deployments != registered[0] for deployments in registered):
            raise Violation("registry", f"partitions know of {registered}")

    def _ask_lines(self, ledger: str) -> list[str]:
        async def ask(requests: Reception) -> Any:
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

    def _make_seat(self, index: int, every: int) -> Seat:
        share = share_of(index, self.plan.partitions)
        return Seat(self.hardware, share, every, self.loop, self._make_node, self._left)

    def _make_node(
        self, estate: Estate, started: Callable[[Node], None], gone: Callable[[Node, str], None]
    ) -> Node:
        return Node(
            *(self.hardware, estate, self.shop, self.app, self.fleet, self.company),
            started,
            gone,
        )

    def _leaders(self) -> list[Node | None]:
        return [seat.node for seat in self.seats]

    def _nodes(self) -> Iterator[Node]:
        """Give the processes that lead, or are about to."""
        return (node for node in self._leaders() if node is not None)

    def _left(self, node: Node, how: str) -> None:
        """Let others learn that a process is gone; where the power is, it is gone for all."""
        self.company.leave(node.share.index)
        if how == "power" and self.plan.together:
            for other in self._nodes():
                self.loop.call_soon(other.die, how)

    # -- What happens besides

    def _point(self, kind: str) -> bool:
        """Pass a point in whichever process does something now, which may be its last."""
        here = [seat for seat in self.seats if seat.runs(self.scheduler.running)]
        # A service elsewhere is in no process of the server: any of these may end meanwhile.
        seat = here[0] if here else self.seats[len(self.history.events) % len(self.seats)]
        return seat.node is not None and seat.node.point(kind)

    def _post(self, awakeable_id: str, name: str) -> None:
        """Take an awakeable to a client, who completes it after a while."""
        latency = self.hardware.random("mail").uniform(0.001, 0.05)
        self.loop.call_later(latency, self._complete, awakeable_id, name)

    def _complete(self, awakeable_id: str, name: str) -> None:
        self._spawn(self.clients.complete(awakeable_id, name))

    def _strike(self, kind: str, number: int) -> None:
        self.history.note("fault", kind, number)
        seat = self.seats[(number >> 8) % len(self.seats)]
        victim = faults.Victim(
            self.hardware,
            seat.estate,
            seat.processes,
            self.processes if self.plan.together else [seat.processes],
            self.app,
            self.fleet,
            self._release,
            self.company.cut,
        )
        faults.strike(victim, kind, number)

    def _release(self) -> None:
        """Put the newest release into service; the first partition's process does that."""
        first = self.seats[0].node
        if first is not None and first.serving:
            first.release()

    def _calm_down(self) -> None:
        """Let nothing go wrong any more; what is broken is repaired."""
        self.network.rates = {}
        self.fleet.rates = {}
        self.hardware.slow_until_s = 0.0
        for node in self._nodes():
            node.disk.failing = node.disk.space = None
            node.store.repair()
            node.fuse.kind = None

    async def _resume_paused(self) -> None:
        """Look after what is paused, as an operator does."""
        while True:
            await asyncio.sleep(2.0)
            for invocation_id in [who for seat in self.seats for who in seat.paused()]:
                with contextlib.suppress(LostError, RefusalError):
                    await self.network.ask(partial(_resume, invocation_id=invocation_id))

    def _rows(self) -> list[tuple[InvocationId, Invocation]]:
        """Give what an operator sees in a list of invocations."""
        return [row for seat in self.seats for row in seat.rows()]

    def _anyone(self, number: int) -> InvocationId | None:
        """Pick somebody who has not ended."""
        alive = [who for who, row in self._rows() if not isinstance(row.status, Completed)]
        return alive[number % len(alive)] if alive else None

    def _alive(self) -> list[str]:
        """Name the invocations that have not ended."""
        return [line for seat in self.seats for line in seat.alive()]

    def _what_hangs(self) -> str:
        unfinished, crossing = self.clients.unfinished, self.crossings.open()
        return f"{unfinished} clients wait; {self._alive()}; {crossing} are on their way"


async def _resume(requests: Reception, invocation_id: InvocationId) -> Verdict:
    return await requests.resume(invocation_id, None)
