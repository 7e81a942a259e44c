"""The invariants of the tables and of the leader's memory, held against every record applied."""

from __future__ import annotations

from random import Random
from typing import Any

import invariants
from images import Image, stored_bytes

from perdure.core.model.invocations import Running
from perdure.core.model.records import Invoke, Progress, Suspended
from perdure.engine.engine import Engine
from perdure.protocol.ids import InvocationId, invocation_text
from perdure.protocol.messages import Completion
from perdure.storage.memory_store import MemoryStore
from simworld.node import Node
from simworld.storage import Truth
from simworld.violations import Violation


class Watch:
    """Looks at a partition after its records: closely, on average, at one of ``every``."""

    def __init__(self, truth: Truth, random: Random, every: int) -> None:
        self._truth = truth
        self._random = random
        self._every = every
        #: How many journal entries each suspended invocation's last attempt had been sent.
        self.seen: dict[InvocationId, int] = {}
        self.applied = 0
        self.looked = 0
        self.invocations = 0
        self._image = Image({})

    def follow(self, engine: Engine, accuse: Any) -> None:
        """Look at whatever an engine applies from now on."""
        # What was durable and not applied when the process before ended was applied unseen.
        self.seen.update(self._truth.seen)
        machine = engine.partition.machine
        apply = machine.apply

        def watched(record: Any, deliveries_max: int) -> Any:
            result = apply(record, deliveries_max)
            self.applied += 1
            body = record.body
            if isinstance(body, Progress):
                self.invocations += len(body.callees)
                if isinstance(body.ending, Suspended):
                    self.seen[body.invocation_id] = body.ending.seen
            elif isinstance(body, Invoke):
                self.invocations += 1
            if machine.unfinished:
                return result  # it is looked at when the next record is
            if self._every == 1 or self._random.random() * self._every < 1:
                try:
                    self.look(engine)
                except Violation as violation:
                    accuse(violation.promise, violation.what)
            return result

        machine.apply = watched  # type: ignore[method-assign]

    def look(self, engine: Engine) -> Image:
        """Check every invariant of the tables as they are now."""
        self.looked += 1
        image = self._image
        image.follow(held_by(engine))
        try:
            invariants.check_all(image, self.seen, self._truth.machine.share)
            completions_come_once(image)
        except AssertionError as error:
            raise Violation("invariant", invariant_of(error)) from error
        return image

    def compare(self, node: Node) -> None:
        """I2: the tables are what the durable records come to, whatever crashed in between."""
        engine = node.engine
        assert engine is not None
        partition = engine.partition
        if partition.applied_lsn != len(self._truth.records) or partition.machine.unfinished:
            return  # The log is ahead of what is applied; another moment will do.
        here, there = held_by(engine), self._truth.held()
        if here != there:
            keys = sorted(here.items() ^ there.items())
            raise Violation("fold", f"{len(keys)} rows differ, the first is {keys[0]!r}")

    def check_wakers(self, engine: Engine) -> None:
        """I6: whatever runs has somebody in memory who runs it."""
        invoker, tables = engine._invoker, engine.partition.tables
        if invoker._stopping or engine.partition.waiting or engine.partition.failure is not None:
            return
        queued = set(invoker._queue)
        for key, _ in tables.running.scan(b"", b"\xff" * 25, 1 << 30):
            invocation_id = InvocationId(key)
            row = tables.invocations.get(invocation_id)
            assert row is not None
            if not isinstance(row.status, Running) or row.status.retry_at is not None:
                continue
            shell = invoker._open.get(invocation_id)
            is_open = shell is not None and shell.attempt.number == row.attempt
            if not is_open and (invocation_id, row.attempt) not in queued:
                raise Violation("no lost wake-up", f"nobody runs {invocation_text(invocation_id)}")


def completions_come_once(image: Image) -> None:
    """I7: nothing is answered twice."""
    for invocation_id, _ in image.touched_rows():
        answered = [
            entry.message.completion_id
            for entry in image.journals.get(invocation_id, {}).values()
            if isinstance(entry.message, Completion)
        ]
        assert len(answered) == len(set(answered)), "a completion came twice"


def held_by(engine: Engine) -> dict[bytes, bytes]:
    """Give an engine's tables as they would stand in its store."""
    store = engine._world.store
    assert isinstance(store, MemoryStore)
    return stored_bytes(engine.partition.tables, store._rows._values)


def invariant_of(error: AssertionError) -> str:
    """Name the function that found it."""
    frame, name = error.__traceback__, ""
    while frame is not None:
        name, frame = frame.tb_frame.f_code.co_name, frame.tb_next
    return f"{name}: {error}"
