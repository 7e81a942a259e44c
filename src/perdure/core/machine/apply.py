"""The machine: one record in, tables changed, actions and an answer out.

Why it is shaped this way. A partition is a fold of its log (invariant I2): whatever a record needs
beyond the tables (time, chance, identities) came in with it. Handlers change tables through a
:class:`~perdure.core.machine.step.Step` and never wait; messages between invocations are records
too, delivered within the same step where both live in one partition, and put into the outbox
otherwise. Actions are collected, not performed: the leader performs them, after the record is
durable, which it was before it was applied (invariant I1). Every action can be lost: whatever it
would have woken stands in a table.

A record that sends very many messages can be applied in pieces, between which the tables are read
but neither changed nor written to the store: each message is about one invocation, whose rows fit
together before it and behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from perdure.core.machine import (
    admission,
    cancellation,
    mutations,
    notifications,
    outbox,
    pausing,
    progress,
    purging,
    restarting,
)
from perdure.core.machine.actions import Action
from perdure.core.machine.entries import sleeps
from perdure.core.machine.outbox import addressee, post
from perdure.core.machine.retrying import retry
from perdure.core.machine.starts import admit
from perdure.core.machine.step import Step
from perdure.core.model import records
from perdure.core.model.invocations import Scheduled
from perdure.core.model.records import (
    AnnounceLeader,
    Record,
    RecordBody,
    TimerFired,
    TimersFired,
)
from perdure.core.model.shares import ALONE, Share
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.model.verdicts import Reply
from perdure.core.tables.keys import timer_key
from perdure.core.tables.tables import EPOCH, Tables


class Machine:
    """The state machine of one partition."""

    def __init__(self, tables: Tables, share: Share = ALONE) -> None:
        self.tables = tables
        #: Which invocations live in this partition.
        self.share = share
        #: The record that was not applied to its end.
        self._unfinished: Step | None = None
        #: Epoch of the newest leader; what an older one wrote is dropped (invariant I3).
        self.epoch = tables.facts.get(EPOCH) or 0

    @property
    def unfinished(self) -> bool:
        """Whether :meth:`go_on` must be called before another record is applied."""
        return self._unfinished is not None

    def apply(
        self, record: Record, deliveries_max: int = sys.maxsize
    ) -> tuple[list[Action], Reply]:
        """Change the tables as a durable record demands.

        Args:
            record: what to apply.
            deliveries_max: of the messages that it sends, how many are delivered at once; while
                there are more, the machine is unfinished.

        Returns:
            What the leader must do now, and the answer for whoever asked for the record.
        """
        if record.epoch < self.epoch:
            return [], None
        body = record.body
        # Struct classes have a metaclass, which makes an isinstance that fails slow: what is asked
        # for every record asks for the type.
        if type(body) is AnnounceLeader:
            self.epoch = body.epoch
            self.tables.facts.put(EPOCH, body.epoch)
            return [], None
        step = Step(self.tables, record.now)
        reply = HANDLERS[type(body)](step, body)
        if not step.deliveries:
            return step.actions, reply
        self._unfinished = step
        return self.go_on(deliveries_max), reply

    def go_on(self, deliveries_max: int = sys.maxsize) -> list[Action]:
        """Deliver further messages of the last record; give what the leader must do now."""
        step = self._unfinished
        assert step is not None, "a record is applied before more of it is"
        deliver(step, self.share, deliveries_max)
        if not step.deliveries:
            self._unfinished = None
        actions, step.actions = step.actions, []
        return actions

    def finish(self) -> None:
        """Deliver all that is left of the last record; :meth:`go_on` gives what follows from it."""
        if self._unfinished is not None:
            deliver(self._unfinished, self.share, sys.maxsize)


def deliver(step: Step, share: Share, deliveries_max: int) -> None:
    """Deliver messages in the order of sending, and those that they send behind them."""
    deliveries, alone = step.deliveries, share.alone
    while deliveries and deliveries_max > 0:
        deliveries_max -= 1
        message = deliveries.popleft()
        if alone or share.holds(whose := addressee(message)):
            HANDLERS[type(message)](step, message)
        else:
            post(step, share.owner(whose), message)


def timers_fired(step: Step, body: TimersFired) -> None:
    """Do what timers were armed for, one after the other."""
    for timer in body.timers:
        fire(step, timer)


def timer_fired(step: Step, body: TimerFired) -> None:
    """Do what a timer was armed for, as an older log has it."""
    fire(step, body.timer)


def fire(step: Step, timer: Timer) -> None:
    """Do what a timer was armed for, once."""
    key = timer_key(timer)
    if step.tables.timers.get(key) is None:
        return  # it fired before, or was disarmed
    step.tables.timers.delete(key)
    _AWAKEN[timer.kind](step, timer)


def start_scheduled(step: Step, timer: Timer) -> None:
    """Admit an invocation whose execution time has come."""
    row = step.tables.invocations.get(timer.invocation_id)
    assert row is not None, "a scheduled invocation has a row until its timer fires"
    assert isinstance(row.status, Scheduled), "its timer is taken away when it is cancelled"
    admit(step, timer.invocation_id, row)


#: Members of an enum are slow to reach before Python 3.12: looked up once for all timers.
_AWAKEN: Final[Mapping[TimerKind, Callable[[Step, Timer], None]]] = {
    TimerKind.SLEEP: sleeps.wake,
    TimerKind.START: start_scheduled,
    TimerKind.RETRY: retry,
}
HANDLERS: Final[Mapping[type[RecordBody], Callable[[Step, Any], Reply]]] = {
    records.Invoke: admission.invoke,
    records.Progress: progress.progress,
    records.TimerFired: timer_fired,
    records.TimersFired: timers_fired,
    records.SignalReceived: notifications.signal_received,
    records.Respond: notifications.respond,
    records.Attach: notifications.attach,
    records.ReadOutput: notifications.read_output,
    records.Cancel: cancellation.cancel,
    records.Kill: cancellation.kill,
    records.Pause: pausing.pause,
    records.Resume: pausing.resume,
    records.Purge: purging.purge,
    records.PurgeJournal: purging.purge_journal,
    records.Expire: purging.expire,
    records.RestartAsNew: restarting.restart_as_new,
    records.MutateState: mutations.mutate_state,
    records.Delivered: outbox.delivered,
    records.Shipped: outbox.shipped,
}
