"""Many seeds, in one process or in several, and the one line that says what they came to."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache

from simworld.plan import draw
from simworld.reports import digest, repeat_command
from simworld.simulation import Simulator

#: Seeds that a process runs before it tells of them.
PART = 20
#: Failures after which nobody needs more of them.
FAILURES_MAX = 5


@dataclass
class Tally:
    """What seeds came to, in their order."""

    counts: Counter[str] = field(default_factory=Counter)
    #: CPU time of the processes, in seconds, without what they took to start.
    cpu_s: float = 0.0
    digests: list[str] = field(default_factory=list)
    #: The seeds that failed, and what each of them broke.
    failures: dict[int, str] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Take what the next seeds came to."""
        self.counts += other.counts
        self.cpu_s += other.cpu_s
        self.digests += other.digests
        self.failures |= other.failures

    @property
    def enough(self) -> bool:
        """Whether so much fails that the rest will tell nothing new."""
        return len(self.failures) >= FAILURES_MAX

    def summary(self) -> str:
        """Say it in one line."""
        counts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        rate = self.counts["invocations"] / self.cpu_s
        return (
            f"{counts}; {self.cpu_s:,.1f} s of CPU, {rate:,.0f} invocations a second a core; "
            f"{len(self.failures)} failures"
        )

    def trace(self) -> str:
        """Sum up the traces of all seeds, to be compared between machines."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()


def run(seeds: range, steps: int, every: int, jobs: int, partitions: int = 1) -> Iterator[Tally]:
    """Run seeds, and give what each part of them came to, in order.

    Args:
        seeds: which.
        steps: scenarios in each run.
        every: records between looks at the tables, on average.
        jobs: how many processes to use; with one, nobody is started.
        partitions: how many the simulated server has.
    """
    parts = [seeds[start : start + PART] for start in range(0, len(seeds), PART)]
    if jobs == 1:
        yield from (run_part(part, steps, every, partitions) for part in parts)
        return
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=processes) as pool:
        waiting: Sequence[Future[Tally]] = [
            pool.submit(run_part, part, steps, every, partitions) for part in parts
        ]
        try:
            yield from (part.result() for part in waiting)
        finally:
            pool.shutdown(cancel_futures=True)


def run_part(seeds: Sequence[int], steps: int, every: int, partitions: int) -> Tally:
    """Run some seeds in this process."""
    tally, simulator = Tally(), _simulator()
    began = time.process_time()
    for seed in seeds:
        try:
            outcome = simulator.run(draw(seed, steps, partitions), every)
        except Exception as error:
            error.add_note(
                f"in the simulation; repeat with: {repeat_command(seed, steps, partitions)}"
            )
            raise
        tally.counts.update(
            seeds=1,
            invocations=outcome.invocations,
            records=outcome.applied,
            looks=outcome.looked,
            starts=outcome.boots,
            faults=sum(event[1] == "fault" for event in outcome.history.events),
        )
        tally.digests.append(digest(outcome))
        if outcome.violation is not None:
            tally.failures[seed] = str(outcome.violation)
            if tally.enough:
                break
    tally.cpu_s = time.process_time() - began
    return tally


@cache
def _simulator() -> Simulator:
    return Simulator()
