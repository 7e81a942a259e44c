"""What was seen from outside: effects, answers and times; and what must never be seen.

Nothing here knows the engine. Handlers and clients tell what happens to them, in order; a sight
that contradicts an earlier one is a violation at once, the rest is judged at the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from simworld.violations import Violation


class History:
    """The books of one run; ``time`` gives the seconds since its beginning."""

    def __init__(self, time: Callable[[], float] = lambda: 0.0) -> None:
        self._time = time
        #: (time, what, details): what a person reads of a run that failed.
        self.events: list[tuple[Any, ...]] = []
        self.violation: Violation | None = None
        #: The latest time of day that anybody could have read, in milliseconds since 1970.
        self.latest_ms = 0
        self.executions: dict[tuple[str, str], int] = defaultdict(int)
        self.encounters: dict[tuple[str, str], int] = defaultdict(int)
        self.sights: dict[tuple[str, str], Any] = {}
        self.due_ms: dict[str, int] = {}
        #: Where each invocation runs.
        self.deployments: dict[str, str] = {}
        #: Lines that somebody meant to write, and the positions that were told, by ledger.
        self.issued: dict[str, set[str]] = defaultdict(set)
        self.positions: dict[str, dict[str, int]] = defaultdict(dict)
        #: Lines that have to be there in the end.
        self.promised: dict[str, set[str]] = defaultdict(set)
        #: Lines in the order in which they have to be, as far as they are there.
        self.orders: list[tuple[str, tuple[str, ...]]] = []
        #: (line, asked at, answered at) of clients that write to a ledger themselves.
        self.writes: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
        #: (lines, asked at, answered at) of clients that read one.
        self.reads: dict[str, list[tuple[list[str], float, float]]] = defaultdict(list)
        #: Values that were sent to an awakeable.
        self.sent: dict[str, set[str]] = defaultdict(set)
        self.answered = 0

    @property
    def now_s(self) -> float:
        """The time, in seconds since the beginning."""
        return self._time()

    def note(self, what: str, *details: Any) -> None:
        """Take down what happened."""
        self.events.append((self.now_s, what, *details))

    def accuse(self, promise: str, what: str) -> None:
        """Take down that a promise was broken; the first one counts."""
        if self.violation is None:
            self.violation = Violation(promise, what)
            self.note("VIOLATION", promise, what)

    # -- Told by handlers

    def execute(self, who: str, step: str, *, late: bool = False) -> str:
        """Execute a side effect; give its token.

        Args:
            who: whose step it is.
            step: which one.
            late: whether the attempt was given up while it was about to be executed.
        """
        if (who, step) in self.sights and not late:
            self.accuse("exactly once", f"step {step} of {who} ran again after it had been seen")
        self.executions[who, step] += 1
        token = f"{step}#{self.executions[who, step]}"
        self.note("effect", who, token)
        return token

    def encounter(self, who: str, place: str) -> int:
        """Count how often a handler came by."""
        self.encounters[who, place] += 1
        return self.encounters[who, place]

    def see(self, who: str, place: str, result: Any) -> None:
        """Learn what a handler was given; it must be the same in every attempt."""
        known = self.sights.setdefault((who, place), result)
        if known is result:
            self.note("sees", who, place, result)
        elif known != result:
            self.accuse("replay", f"{who} saw {known!r} at {place}, and later {result!r}")

    def settle(self, who: str, deployment: str) -> None:
        """Learn where an invocation runs that has got something durable: it stays there."""
        known = self.deployments.setdefault(who, deployment)
        if known != deployment:
            self.accuse("one deployment", f"{who} began on {known} and runs on {deployment}")

    def issue(self, ledger: str, line: str) -> None:
        """Learn that somebody is about to write a line."""
        self.issued[ledger].add(line)

    def placed(self, ledger: str, line: str, position: int) -> None:
        """Learn at which position a line was written."""
        known = self.positions[ledger].setdefault(line, position)
        if known != position:
            self.accuse("exactly once", f"{line} stands at {known} and at {position} in {ledger}")

    def begin_wait(self, what: str, due_ms: int) -> None:
        """Learn until when something is to wait; an attempt that left no trace may repeat it."""
        self.due_ms[what] = min(due_ms, self.due_ms.get(what, due_ms))

    def end_wait(self, what: str) -> None:
        """Learn that the wait is over."""
        due = self.due_ms.get(what)
        if due is not None and self.latest_ms < due:
            self.accuse("never early", f"{what} is {due - self.latest_ms} ms early")

    # -- Judged in the end

    def judge_ledger(self, ledger: str, lines: list[str]) -> None:
        """Hold a ledger's final lines against everything that was told about them."""
        places = {line: place for place, line in enumerate(lines)}
        if len(places) != len(lines):
            twice = sorted(line for line in places if lines.count(line) > 1)
            raise Violation("exactly once", f"{ledger} has twice: {twice}")
        unasked = sorted(places.keys() - self.issued[ledger])
        if unasked:
            raise Violation("nothing unasked", f"nobody wrote to {ledger}: {unasked}")
        for line, position in self.positions[ledger].items():
            if places.get(line) != position:
                found = places.get(line)
                raise Violation("lost effect", f"{line} was told {position}, is at {found}")
        missing = sorted(self.promised[ledger] - places.keys())
        if missing:
            raise Violation("lost effect", f"{ledger} lacks {missing}")
        self._judge_orders(ledger, places)
        self._judge_times(ledger, lines, places)

    def _judge_orders(self, ledger: str, places: dict[str, int]) -> None:
        for where, order in self.orders:
            if where != ledger:
                continue
            found = [places[line] for line in order if line in places]
            if found != sorted(found):
                raise Violation("order", f"{ledger} has {order} at {found}")

    def _judge_times(self, ledger: str, lines: list[str], places: dict[str, int]) -> None:
        """Linearizability: what was answered before another was asked for comes first."""
        writes = sorted(self.writes[ledger], key=lambda write: write[1])
        ends = sorted((end, places[line], line) for line, _, end in writes)
        highest, at = (-1, ""), 0
        for line, asked, _ in writes:
            while at < len(ends) and ends[at][0] < asked:
                highest = max(highest, ends[at][1:])
                at += 1
            if places[line] < highest[0]:
                raise Violation("linearizable", f"{line} stands before {highest[1]} in {ledger}")
        for read, asked, answered in self.reads[ledger]:
            if read != lines[: len(read)]:
                raise Violation("linearizable", f"{ledger} was read as {read}")
            for line, begun, ended in writes:
                seen = places[line] < len(read)
                if (ended < asked and not seen) or (begun > answered and seen):
                    raise Violation("linearizable", f"{line} and a read of {ledger} at {asked}")
