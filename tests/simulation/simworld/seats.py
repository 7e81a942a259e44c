"""The seat of one partition: what its processes leave, the one that leads, and who watches it."""

from __future__ import annotations

from collections.abc import Callable

from perdure.core.model.invocations import Completed, Invocation, Paused
from perdure.core.model.shares import Share
from perdure.engine.engine import Engine
from perdure.protocol.ids import InvocationId, invocation_text
from simworld.hardware import Estate, Hardware
from simworld.loop import SimLoop
from simworld.node import Node
from simworld.processes import Processes
from simworld.violations import Violation
from simworld.watching import Watch

#: So many callbacks come at the most from one look at the leader's memory to the next.
WAKERS_UNCHECKED_MAX = 100
#: Where a scan begins and ends that gives the rows of all invocations, and how many it gives.
EVERYONE = (b"", b"\xff" * 25, 1 << 30)
#: Tables that are empty when everything was forgotten.
FORGOTTEN = (
    *("invocations", "timers", "running", "parked", "expiries", "lines", "locks"),
    "outbox",
)

#: Makes a process, given who wants to know that it has started, and that it is gone.
MakeNode = Callable[[Estate, Callable[[Node], None], Callable[[Node, str], None]], Node]


class Seat:
    """One partition.

    Args:
        hardware: the machine.
        share: which partition it is.
        every: records between looks at the tables, on average.
        loop: outlives its processes.
        make: makes a process.
        left: is told of each process that others cannot reach any more, and how it went.
    """

    def __init__(
        self,
        hardware: Hardware,
        share: Share,
        every: int,
        loop: SimLoop,
        make: MakeNode,
        left: Callable[[Node, str], None],
    ) -> None:
        self.estate = Estate(share)
        self.watch = Watch(self.estate.truth, hardware.random("watch"), every)
        self.processes = Processes(hardware, self.estate, loop, self._make_node, left)
        self._history = hardware.history
        self._make = make
        self._chance = hardware.random("wakers")
        self._unchecked_left = 0

    @property
    def node(self) -> Node | None:
        """The process that leads, or is about to."""
        return self.processes.node

    def engine(self) -> Engine:
        """Give the engine that leads now that nothing is wrong any more.

        Raises:
            Violation: there is none.
        """
        node = self.node
        if node is None or not node.serving or node.engine is None:
            raise Violation("everything finishes", "the server is down although nothing is wrong")
        return node.engine

    def runs(self, loop: SimLoop | None) -> bool:
        """Tell whether a loop is that of one of the processes."""
        nodes = (self.node, *self.processes.superseded)
        return any(node is not None and node.loop is loop for node in nodes)

    # -- What an operator sees

    def rows(self) -> list[tuple[InvocationId, Invocation]]:
        """Give the rows of all invocations, as far as anybody serves them."""
        node = self.node
        if node is None or not node.serving or node.engine is None:
            return []
        rows = node.engine.partition.tables.invocations.scan(*EVERYONE)
        return [(InvocationId(key), row) for key, row in rows]

    def paused(self) -> list[InvocationId]:
        """Name the invocations that wait to be resumed."""
        node = self.node
        if node is None or not node.serving or node.engine is None:
            return []
        tables = node.engine.partition.tables
        parked = [InvocationId(key) for key, _ in tables.parked.scan(*EVERYONE)]
        rows = [(who, tables.invocations.get(who)) for who in parked]
        return [who for who, row in rows if row is not None and isinstance(row.status, Paused)]

    def alive(self) -> list[str]:
        """Name the invocations that have not ended."""
        if self.node is None or not self.node.serving:
            return ["the server"]
        return [
            f"{invocation_text(who)} {row.target} {row.status}"
            for who, row in self.rows()
            if not isinstance(row.status, Completed)
        ]

    # -- Who watches

    def judge(self) -> None:
        """Look closely at what has come to its end.

        Raises:
            Violation: it must not be like this.
        """
        engine = self.engine()
        assert self.node is not None
        self.watch.look(engine)
        self.watch.check_wakers(engine)
        self.watch.compare(self.node)

    def judge_what_is_left(self) -> None:
        """Look for what is left when everything is to be forgotten.

        Raises:
            Violation: there is something.
        """
        engine = self.engine()
        image = self.watch.look(engine)
        left = {name for name in FORGOTTEN if getattr(image, name)}
        left |= {name for name in ("journals", "promises") if any(getattr(image, name).values())}
        if left:
            raise Violation("no growth", f"when all was forgotten there was still {sorted(left)}")
        if engine._invoker._open or engine._timers._heap or engine.requests.waiters:
            raise Violation("no growth", "the leader remembers what is over")
        if self.node is not None and self.node.open_questions:
            raise Violation("no growth", "questions to other partitions are never closed")
        if any(road._parcels for road in engine.outbox._roads.values()):
            raise Violation("no growth", "the outbox remembers what was taken")

    def _make_node(self, gone: Callable[[Node, str], None]) -> Node:
        node = self._make(self.estate, self._started, gone)
        node.loop.after = lambda: self._after_callback(node)
        return node

    def _started(self, node: Node) -> None:
        engine = node.engine
        assert engine is not None
        self.watch.follow(engine, self._history.accuse)
        try:
            self.watch.look(engine)
            self.watch.compare(node)
        except Violation as violation:
            self._history.accuse(violation.promise, violation.what)

    def _after_callback(self, node: Node) -> None:
        if node is not self.processes.node:
            return
        self._unchecked_left -= 1
        if self._unchecked_left < 0 and node.serving and node.engine is not None:
            self._unchecked_left = self._chance.randrange(WAKERS_UNCHECKED_MAX)
            try:
                self.watch.check_wakers(node.engine)
            except Violation as violation:
                self._history.accuse(violation.promise, violation.what)
        if node.fuse.kind == "callback":
            node.point("callback")
