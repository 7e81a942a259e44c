"""Defects to be planted: what the checkers must find, one at a time.

Each is a small change of the real code, made for the length of a ``with``. A defect that no seed
finds is a hole in the checkers or in the workload.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from msgspec.structs import replace

from perdure.core.attempt.attempt import Attempt as ServerAttempt
from perdure.core.machine import (
    admission,
    apply,
    cancellation,
    endings,
    notifications,
    pausing,
    progress,
    purging,
    retrying,
    starts,
)
from perdure.core.machine.actions import Notify, StartAttempt
from perdure.core.machine.entries import effects, promises, sleeps
from perdure.core.model.awaiting import settle
from perdure.core.model.invocations import Completed, Running, Suspended
from perdure.core.model.promises import Settled
from perdure.core.model.records import Respond, TimerFired
from perdure.core.model.targets import HandlerKind
from perdure.core.tables.changes import RowTable
from perdure.core.tables.keys import object_key
from perdure.engine import engine as engine_module
from perdure.engine.attempts import OpenAttempt
from perdure.engine.engine import Engine
from perdure.engine.invoker import Invoker
from perdure.engine.janitor import Janitor
from perdure.engine.partition import Partition
from perdure.engine.requests import Requests
from perdure.engine.timers import Timers
from perdure.protocol.messages import VOID
from perdure.sdk.attempt import Attempt as SdkAttempt
from perdure.sdk.machine.syscalls import Machine as SdkMachine
from perdure.sdk.running import Runs
from perdure.storage import direct_log
from perdure.storage.direct_log import DirectLog
from perdure.storage.segments import Segment

Change = tuple[Any, str, Any]


@dataclass(frozen=True)
class Defect:
    """One defect: a name, what is wrong with it, and the changes that plant it."""

    name: str
    breaks: str
    changes: Callable[[], list[Change]]

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """Have the defect for a while."""
        with contextlib.ExitStack() as stack:
            for owner, name, value in self.changes():
                if isinstance(owner, dict):
                    stack.enter_context(mock.patch.dict(owner, {name: value}))
                else:
                    stack.enter_context(mock.patch.object(owner, name, value))
            yield


def instead(owner: Any, name: str, make: Callable[[Any], Any]) -> list[Change]:
    """Replace a function by one that is made of it."""
    return [(owner, name, make(getattr(owner, name)))]


# -- The log


def acknowledge_before_sync() -> list[Change]:
    def append(self, batch, done):
        done(None)
        real(self, batch, lambda _error: None)

    real = DirectLog.append
    return [(DirectLog, "append", append)]


def no_sync() -> list[Change]:
    def write(self, offset, frame, size_max):
        self._file.write(offset, frame)

    return [(Segment, "write", write)]


def cut_a_whole_record() -> list[Change]:
    def make(real):
        def frames(self):
            found = list(real(self))
            return iter(found[:-1] if len(found) > 3 else found)

        return frames

    return instead(Segment, "frames", make)


def skip_a_failed_write() -> list[Change]:
    def commit(records, appends):
        real(records, appends)

    real = direct_log.commit
    return [(direct_log, "commit", commit)]


def sync_again_after_a_failed_sync() -> list[Change]:
    def make(real):
        def write(self, offset, frame, size_max):
            try:
                real(self, offset, frame, size_max)
            except OSError:
                self._file.sync()

        return write

    return instead(Segment, "write", make)


def trim_what_the_store_may_lose() -> list[Change]:
    async def checkpoint(self):
        while True:
            await asyncio.sleep(engine_module.CHECKPOINT_CHECK_S)
            self._world.log.trim(self.partition.applied_lsn)

    return [(Engine, "_checkpoint_now_and_then", checkpoint)]


# -- The store, and recovery


def store_ahead_of_its_rows() -> list[Change]:
    def flush(self):
        changes = self.tables.flush()
        self._store.write(changes[:-1], self._applied_lsn)

    return [(Partition, "flush", flush)]


def store_names_a_later_record() -> list[Change]:
    def flush(self):
        self._store.write(self.tables.flush(), self._applied_lsn + 1)

    return [(Partition, "flush", flush)]


def lead_on_after_the_store_failed() -> list[Change]:
    def make(real):
        def stop_leading(self):
            if self.partition.failure is None:
                real(self)

        return stop_leading

    return instead(Engine, "_stop_leading", make)


def forget_deletes() -> list[Change]:
    def make(real):
        def drain(self, changes):
            if self.tag == b"t":
                self.changed = {key: row for key, row in self.changed.items() if row is not None}
            real(self, changes)

        return drain

    return instead(RowTable, "drain", make)


def resume_nothing() -> list[Change]:
    return [(Engine, "_resume_running", lambda _self: None)]


def resume_one_page() -> list[Change]:
    def resume(self):
        rows = self.partition.tables.running.scan(b"", b"\xff" * 25, 1)
        for key, _ in rows:
            row = self.partition.tables.invocations.get(key)
            if row.status.retry_at is None:
                self._invoker.start(key, row.attempt)

    return [(Engine, "_resume_running", resume)]


def forget_a_timer_at_restart() -> list[Change]:
    def make(real):
        def load(self):
            real(self)
            self._heap = self._heap[1:]
            self._set_alarm()

        return load

    return instead(Timers, "load", make)


def forget_retention_at_restart() -> list[Change]:
    return [(Janitor, "load", lambda _self: None)]


# -- Epochs and attempts


def apply_an_old_epoch() -> list[Change]:
    def make(real):
        def apply_any(self, record):
            if record.epoch < self.epoch:
                record = replace(record, epoch=self.epoch)
            return real(self, record)

        return apply_any

    return instead(apply.Machine, "apply", make)


def take_the_word_of_an_old_attempt() -> list[Change]:
    def make(real):
        def any_attempt(step, body):
            row = step.tables.invocations.get(body.invocation_id)
            if row is not None and isinstance(row.status, Running):
                body = replace(body, attempt=row.attempt)
            real(step, body)

        return any_attempt

    return [(apply.HANDLERS, key, value) for key, value in _handler("Progress", make)]


def _handler(name: str, make: Callable[[Any], Any]) -> list[tuple[Any, Any]]:
    found = next(kind for kind in apply.HANDLERS if kind.__name__ == name)
    return [(found, make(apply.HANDLERS[found]))]


def run_the_same_attempt_again() -> list[Change]:
    return instead(endings, "next_attempt", lambda real: lambda step: max(real(step) - 1, 1))


def do_not_abort() -> list[Change]:
    def abort(self):
        self._attempt.open = False
        self._session = None
        self._ended(self)

    return [(OpenAttempt, "abort", abort)]


# -- Keys and lines


def admit_two() -> list[Change]:
    def make(real):
        def admit(step, invocation_id, row):
            if row.target.kind is HandlerKind.EXCLUSIVE:
                lock = step.tables.locks.get(object_key(row.target))
                if lock is not None and lock.tail % 4 == 1:
                    starts.run(step, invocation_id, row)
                    return
            real(step, invocation_id, row)

        return admit

    return instead(admission, "admit", make)


def last_comes_first() -> list[Change]:
    def release(step, row):
        if row.target.kind is not HandlerKind.EXCLUSIVE:
            return
        tables, group = step.tables, object_key(row.target)
        lock = tables.locks.get(group)
        for place in reversed(range(lock.head, lock.tail)):
            position = starts.place_key(group, place)
            waiting = tables.lines.get(position)
            if waiting is not None:
                tables.lines.delete(position)
                tables.locks.put(group, replace(lock, holder=waiting))
                starts.run(step, waiting, tables.invocations.get(waiting))
                return
        tables.locks.delete(group)

    return [(endings, "release", release)]


def lose_the_line_on_kill() -> list[Change]:
    def make(real):
        def end(step, invocation_id, row, outcome):
            with mock.patch.object(endings, "release"):
                real(step, invocation_id, row, outcome)

        return end

    return instead(cancellation, "end", make)


# -- Notifications


def sleep_through_a_late_wake_up() -> list[Change]:
    return [(progress, "notifications", lambda _step, _id, _start: iter(()))]


def wake_for_what_was_seen() -> list[Change]:
    def make(real):
        return lambda step, invocation_id, _start: real(step, invocation_id, 0)

    return instead(progress, "notifications", make)


def do_not_wake() -> list[Change]:
    def wake_or_wait(step, invocation_id, row, notification):
        if isinstance(row.status, Suspended):
            left = settle(row.status.awaiting, notification)
            if isinstance(left, type(notifications.Settled.FAILED)) and (
                left is notifications.Settled.FAILED
            ):
                step.tables.invocations.put(invocation_id, row)
                return
        real(step, invocation_id, row, notification)

    real = notifications.wake_or_wait
    return [(notifications, "wake_or_wait", wake_or_wait)]


def answer_twice() -> list[Change]:
    def make(real):
        def answer(step, invocation_id, row, outcome):
            for caller in row.callers:
                step.deliver(Respond(caller, outcome))
            real(step, invocation_id, row, outcome)

        return answer

    return instead(endings, "answer", make)


def answer_only_the_first() -> list[Change]:
    def make(real):
        return lambda step, invocation_id, row, outcome: real(
            step, invocation_id, replace(row, callers=row.callers[:1]), outcome
        )

    return instead(endings, "answer", make)


def answer_only_one_client() -> list[Change]:
    def make(real):
        def finish(self, invocation_id, outcome):
            waiting = self._waiters.get(invocation_id)
            if waiting:
                hidden, self._waiters[invocation_id] = waiting, waiting[:1]
                real(self, invocation_id, outcome)
                self._waiters[invocation_id] = hidden

        return finish

    return instead(Requests, "finish", make)


def forward_twice() -> list[Change]:
    def make(real):
        def notification(self, index, message):
            self._known = min(self._known, index)
            return real(self, index, message)

        return notification

    return instead(ServerAttempt, "notification", make)


def do_not_forward_while_closing() -> list[Change]:
    def make(real):
        def act(self, action):
            if isinstance(action, Notify) and action.index % 7 == 6:
                return
            real(self, action)

        return act

    return instead(Engine, "_act", make)


# -- Requests that come twice


def forget_idempotency() -> list[Change]:
    return [(admission, "known", lambda _step, _invocation_id: None)]


def forget_idempotency_of_the_ended() -> list[Change]:
    def make(real):
        def known(step, invocation_id):
            row = real(step, invocation_id)
            if row is not None and isinstance(row.status, Completed) and not row.callers:
                endings.purge(step, invocation_id, row)
                return None
            return row

        return known

    return instead(admission, "known", make)


def fire_twice() -> list[Change]:
    def fired(step, body: TimerFired):
        key = apply.timer_key(body.timer)
        step.tables.timers.delete(key)
        if step.tables.invocations.get(body.timer.invocation_id) is not None:
            if body.timer.kind is apply.TimerKind.SLEEP:
                sleeps.wake(step, body.timer)
            elif body.timer.kind is apply.TimerKind.START:
                apply.start_scheduled(step, body.timer)
            else:
                apply.retry(step, body.timer)

    return [(apply.HANDLERS, key, value) for key, value in _handler("TimerFired", lambda _: fired)]


def complete_a_promise_again() -> list[Change]:
    def complete(work, command):
        work.journal.command(command)
        group, name = object_key(work.row.target), command.key.encode()
        work.step.tables.promises.put(group, name, Settled(command.completion))
        kind = promises.CompletionKind.COMPLETE_PROMISE
        work.journal.complete(kind, command.result_completion_id, VOID)
        promise = work.step.tables.promises.get(group, name)
        for listener in getattr(promise, "listeners", ()):
            work.step.deliver(Respond(listener, command.completion))

    real = promises.complete_promise
    kind = next(kind for kind, effect in effects.EFFECTS.items() if effect is real)
    return [(effects.EFFECTS, kind, complete)]


# -- Time


def ring_early() -> list[Change]:
    def make(real):
        def __init__(self, tables, clock, fire, *bounds):  # noqa: N807 - it takes the place of one
            real(self, tables, _Ahead(clock), fire, *bounds)

        return __init__

    return instead(Timers, "__init__", make)


class _Ahead:
    """A clock that is fast."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        now: int = self._clock.now_ms()
        return now + 40


def forget_timers_behind_the_window() -> list[Change]:
    def make(real):
        def load(self):
            real(self)
            self._horizon = None

        return load

    return instead(Timers, "load", make)


def start_delayed_requests_at_once() -> list[Change]:
    def make(real):
        return lambda step, invocation_id, row: real(
            step, invocation_id, replace(row, execution_time=None)
        )

    return instead(admission, "begin", make)


def no_second_retry() -> list[Change]:
    def make(real):
        def back_off(step, invocation_id, row, failed, delay_ms):
            real(step, invocation_id, row, failed, delay_ms)
            if row.status.failures > 1:
                status = step.tables.invocations.get(invocation_id).status
                timer = retrying.Timer(status.retry_at, retrying.TimerKind.RETRY, invocation_id)
                step.tables.timers.delete(retrying.timer_key(timer))

        return back_off

    return instead(retrying, "back_off", make)


# -- Changing what runs


def kill_the_parent_only() -> list[Change]:
    return [(apply.HANDLERS, key, value) for key, value in _handler("Kill", lambda _: _kill_alone)]


def _kill_alone(step, body):
    row = step.tables.invocations.get(body.invocation_id)
    if row is not None and isinstance(row.status, Running | Suspended):
        step.act(cancellation.StopAttempt(body.invocation_id))
        endings.end(step, body.invocation_id, row, cancellation.KILLED)
        return cancellation.Verdict.DONE
    return cancellation.kill(step, body)


def pause_without_stopping() -> list[Change]:
    return [(pausing, "stop", lambda _step, _invocation_id, row: row)]


def purge_the_row_only() -> list[Change]:
    def forget(step, invocation_id, _row):
        step.tables.invocations.delete(invocation_id)

    return [(endings, "forget", forget)]


def purge_nothing() -> list[Change]:
    return [(purging, "purge_row", lambda _step, _invocation_id, _row: None)]


# -- The SDK


def reuse_a_completion_id() -> list[Change]:
    def completion(self):
        self._last_completion += self._last_completion != 4
        return self._last_completion

    return [(SdkMachine, "_completion", completion)]


def run_again_what_is_known() -> list[Change]:
    return [(Runs, "settled", lambda _self, _handle: None)]


def deliver_the_newest_first() -> list[Change]:
    def make(real):
        def deliver(self):
            if self.processing and len(self._queue) > 1:
                self._queue.appendleft(self._queue.pop())
            return real(self)

        return deliver

    return instead(SdkMachine, "deliver", make)


def see_before_durable() -> list[Change]:
    def make(real):
        def propose(self, handle, outcome):
            real(self, handle, outcome)
            if not self.closed and self._proposed.pop(handle, None) is not None:
                self._queue.append(_run_completion(handle, outcome))

        return propose

    def notification(self, index, message):
        found = real_notification(self, index, message)
        return None if type(found).__name__ == "ProposeRunCompletionAck" else found

    real_notification = ServerAttempt.notification
    return [
        *instead(SdkMachine, "propose", make),
        (ServerAttempt, "notification", notification),
    ]


def _run_completion(handle, outcome):
    return notifications.Completion(notifications.CompletionKind.RUN, handle, outcome)


def suspend_for_nothing() -> list[Change]:
    def make(real):
        def awaited(self):
            future = real(self)
            return replace(future, completions=future.completions[1:])

        return awaited

    return instead(SdkAttempt, "_awaited", make)


def keep_the_slot() -> list[Change]:
    def ended(self, shell):
        if not self._open:
            self._all_ended.set()

    return [(Invoker, "_ended", ended)]


def start_twice() -> list[Change]:
    def make(real):
        def act(self, action):
            real(self, action)
            if isinstance(action, StartAttempt) and action.attempt % 5 == 0:
                real(self, action)

        return act

    return instead(Engine, "_act", make)


DEFECTS: tuple[Defect, ...] = tuple(
    Defect(change.__name__.replace("_", " "), breaks, change)
    for change, breaks in (
        (acknowledge_before_sync, "I1"),
        (no_sync, "I1"),
        (cut_a_whole_record, "I1"),
        (skip_a_failed_write, "I1"),
        (sync_again_after_a_failed_sync, "I1"),
        (trim_what_the_store_may_lose, "I8"),
        (store_ahead_of_its_rows, "I2"),
        (store_names_a_later_record, "I2"),
        (lead_on_after_the_store_failed, "I2"),
        (forget_deletes, "I2"),
        (resume_nothing, "I6"),
        (resume_one_page, "I6"),
        (forget_a_timer_at_restart, "I6"),
        (forget_retention_at_restart, "I6"),
        (apply_an_old_epoch, "I3"),
        (take_the_word_of_an_old_attempt, "I4"),
        (do_not_abort, "I4"),
        (start_twice, "I4"),
        (admit_two, "I5"),
        (last_comes_first, "I5"),
        (lose_the_line_on_kill, "I5"),
        (sleep_through_a_late_wake_up, "I6"),
        (do_not_wake, "I6"),
        (answer_twice, "I7"),
        (answer_only_the_first, "I6"),
        (answer_only_one_client, "I6"),
        (forward_twice, "I7"),
        (do_not_forward_while_closing, "I6"),
        (forget_idempotency, "I7"),
        (forget_idempotency_of_the_ended, "I7"),
        (fire_twice, "I7"),
        (complete_a_promise_again, "I7"),
        (ring_early, "never early"),
        (forget_timers_behind_the_window, "I6"),
        (start_delayed_requests_at_once, "never early"),
        (no_second_retry, "I6"),
        (kill_the_parent_only, "finish"),
        (pause_without_stopping, "I4"),
        (purge_the_row_only, "no growth"),
        (purge_nothing, "no growth"),
        (reuse_a_completion_id, "I7"),
        (run_again_what_is_known, "I7"),
        (deliver_the_newest_first, "replay"),
        (see_before_durable, "I1"),
        (suspend_for_nothing, "I6"),
        (keep_the_slot, "no growth"),
    )
)
