"""Defects of epochs, attempts and exclusive keys, and of what operators change."""

from __future__ import annotations

from unittest import mock

from msgspec.structs import replace

from perdure.core.machine import (
    admission,
    apply,
    cancellation,
    endings,
    pausing,
    purging,
    starts,
)
from perdure.core.model.invocations import Running, Suspended
from perdure.core.model.targets import HandlerKind
from perdure.core.tables.keys import object_key
from perdure.engine.attempts import OpenAttempt
from simworld.planted.change import Change, handler, instead


def apply_an_old_epoch() -> list[Change]:
    def make(real):
        def apply_any(self, record, *bounds):
            if record.epoch < self.epoch:
                record = replace(record, epoch=self.epoch)
            return real(self, record, *bounds)

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

    return handler("Progress", make)


def run_the_same_attempt_again() -> list[Change]:
    return instead(endings, "next_attempt", lambda real: lambda step: max(real(step) - 1, 1))


def do_not_abort() -> list[Change]:
    def abort(self):
        self.attempt.open = False
        self._session = None
        self._ended(self)

    return [(OpenAttempt, "abort", abort)]


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


def kill_the_parent_only() -> list[Change]:
    return handler("Kill", lambda _: _kill_alone)


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
