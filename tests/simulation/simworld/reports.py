"""What a person reads: how much was simulated, and a failure from its cause to its discovery."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from simworld.plan import Plan
from simworld.simulation import Outcome
from simworld.storage import decode_record

#: Lines of a failing run's end that are shown.
EVENTS_SHOWN = 60
RECORDS_SHOWN = 12
WIDTH = 200


def digest(outcome: Outcome) -> str:
    """Give a run's trace in one line: all that was seen from outside, and all bytes of the log."""
    trace = hashlib.sha256()
    for event in outcome.history.events:
        trace.update(f"{event!r}\n".encode())
    for log in outcome.logs:
        for record in log:
            trace.update(record)
    return trace.hexdigest()


def repeat_command(seed: int, steps: int, partitions: int = 1) -> str:
    """Give the command that lets the same happen again."""
    several = f" PARTITIONS={partitions}" if partitions > 1 else ""
    return f"make simulate SEED={seed} STEPS={steps}{several}"


def described(plan: Plan) -> Iterator[str]:
    """Tell what is to happen, in the order of time."""
    yield f"seed {plan.seed}; {plan.sizes}"
    if plan.partitions > 1:
        bound = "end together" if plan.together else "end one by one"
        yield f"  {plan.partitions} partitions, whose processes {bound}"
    for name, rate in plan.rates:
        yield f"  {name}: {rate:.0%} of the messages"
    moments = [
        (
            scenario.start_s,
            (
                f"{scenario.kind} {scenario.number} ({scenario.key}, {scenario.copies} at once, "
                f"interferes after {scenario.after_s} s): {scenario.program}"
            ),
        )
        for scenario in plan.scenarios
    ]
    moments += [(fault.at_s, f"FAULT {fault.kind} {fault.number}") for fault in plan.faults]
    for at_s, what in sorted(moments):
        yield f"  {at_s:9.6f} s  {what}"


def failure(outcome: Outcome, steps: int) -> Iterator[str]:
    """Tell how a run failed."""
    yield f"VIOLATION {outcome.violation}"
    yield f"repeat with: {repeat_command(outcome.plan.seed, steps, outcome.plan.partitions)}"
    yield "the smallest plan that fails like this:"
    yield from described(outcome.plan)
    yield f"its last {EVENTS_SHOWN} events:"
    for at_s, what, *details in outcome.history.events[-EVENTS_SHOWN:]:
        yield f"  {at_s:12.6f} s  {what:8} {' '.join(map(str, details))}"[:WIDTH]
    for partition, log in enumerate(outcome.logs):
        yield f"the last {RECORDS_SHOWN} records of partition {partition}:"
        first = max(0, len(log) - RECORDS_SHOWN)
        for lsn, encoded in enumerate(log[first:], first + 1):
            record = decode_record(encoded)
            yield f"  {lsn:6d}  epoch {record.epoch}  {record.body}"[:WIDTH]
