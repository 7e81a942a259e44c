"""What can be told a partition, or several, in a test: one method a record."""

from __future__ import annotations

from abc import ABC, abstractmethod

from machine_values import KEPT, CallTo, waits

from perdure.core.machine.actions import (
    Action,
)
from perdure.core.model.invocations import (
    Caller,
    Pin,
    Retention,
)
from perdure.core.model.records import (
    AnnounceLeader,
    Cancel,
    Ended,
    Ending,
    Expire,
    Failed,
    Invoke,
    Kill,
    MutateState,
    Pause,
    Progress,
    Purge,
    PurgeJournal,
    RecordBody,
    RestartAsNew,
    Resume,
    SignalReceived,
    TimersFired,
)
from perdure.core.model.targets import Target
from perdure.core.model.timers import Timer
from perdure.core.model.verdicts import Reply
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import (
    VOID,
    Failure,
    Input,
    JournalMessage,
    Output,
    Value,
    Void,
)

MUTATION = InvocationId(b"m" * 24)


class Telling(ABC):
    """Whoever can be told something."""

    #: Milliseconds since 1970.
    now: int
    epoch: int
    #: What the last record asked for.
    actions: list[Action]
    #: What leaders hold in memory.
    attempts: dict[InvocationId, int]
    armed: set[Timer]

    @abstractmethod
    def apply(self, body: RecordBody) -> Reply:
        """Apply one record, as it comes out of the log."""

    def invoke(
        self,
        target: Target,
        who: InvocationId,
        *,
        at: int | None = None,
        retention: Retention = KEPT,
        key: str | None = None,
        caller: Caller | None = None,
    ) -> Reply:
        """Ask for an invocation."""
        body = Invoke(
            who,
            target,
            Input(Value(b"in")),
            retention,
            idempotency_key=key,
            execution_time=at,
            caller=caller,
        )
        return self.apply(body)

    def progress(
        self,
        who: InvocationId,
        *did: JournalMessage | CallTo,
        ending: Ending | None = None,
        pin: Pin | None = None,
        attempt: int | None = None,
    ) -> list[Action]:
        """Say what the open attempt did; give what followed."""
        entries = tuple(one.command if isinstance(one, CallTo) else one for one in did)
        callees = tuple(one.callee for one in did if isinstance(one, CallTo))
        number = self.attempts.get(who, 0) if attempt is None else attempt
        self.apply(Progress(who, number, entries, callees, pin, ending))
        return self.actions

    def end(self, who: InvocationId, value: bytes = b"out") -> list[Action]:
        """Let the handler return."""
        return self.progress(who, Output(Value(value)), ending=Ended())

    def end_badly(self, who: InvocationId, failure: Failure) -> list[Action]:
        """Let the handler fail for good."""
        return self.progress(who, Output(failure), ending=Ended())

    def fail(self, who: InvocationId, failed: Failed) -> list[Action]:
        """Let the attempt fail."""
        return self.progress(who, ending=failed)

    def suspend(self, who: InvocationId, *completions: int, signals=(1,)) -> list[Action]:
        """Let the handler wait for any of these, and for its cancellation, as SDKs do."""
        return self.progress(who, ending=waits(*completions, signals=signals))

    def signal(
        self, who: InvocationId, signal: int | str, result: Void | Value | Failure = VOID
    ) -> Reply:
        """Send a signal from outside."""
        return self.apply(SignalReceived(who, signal, result))

    def cancel(self, who: InvocationId) -> Reply:
        """Cancel."""
        return self.apply(Cancel(who))

    def kill(self, who: InvocationId) -> Reply:
        """Kill."""
        return self.apply(Kill(who))

    def pause(self, who: InvocationId) -> Reply:
        """Pause."""
        return self.apply(Pause(who))

    def resume(self, who: InvocationId, pin: Pin | None = None) -> Reply:
        """Resume."""
        return self.apply(Resume(who, pin))

    def purge(self, who: InvocationId) -> Reply:
        """Purge."""
        return self.apply(Purge(who))

    def purge_journal(self, who: InvocationId) -> Reply:
        """Purge the journal only."""
        return self.apply(PurgeJournal(who))

    def restart_as_new(self, who: InvocationId, new_id: InvocationId, upto: int = 0) -> Reply:
        """Restart as new."""
        return self.apply(RestartAsNew(who, new_id, upto))

    def mutate(self, target: Target, version: str | None = None, **state: bytes) -> Reply:
        """Replace the state of an object or workflow from outside."""
        rows = tuple((name.encode(), value) for name, value in state.items())
        return self.apply(MutateState(MUTATION, target.service, target.key, rows, version))

    def expire(self, limit: int = 100) -> list[Action]:
        """Sweep; give what followed."""
        self.apply(Expire(limit))
        return self.actions

    def announce(self) -> None:
        """Let a new leader begin."""
        self.epoch += 1
        self.apply(AnnounceLeader(self.epoch))

    def fire(self, *timers: Timer) -> list[Action]:
        """Let timers ring in one record that are due, or late, or gone."""
        self.now = max(self.now, *(timer.due_at for timer in timers))
        self.armed.difference_update(timers)
        self.apply(TimersFired(timers))
        return self.actions

    def advance(self, ms: int, *, late: bool = False) -> list[Action]:
        """Let time pass, and every timer ring that becomes due; give what followed.

        ``late`` lets them all ring in the end, in one record.
        """
        until, followed = self.now + ms, []
        if late:
            self.now = until
            due = sorted(timer for timer in self.armed if timer.due_at <= until)
            return self.fire(*due) if due else []
        while due := sorted(timer for timer in self.armed if timer.due_at <= until):
            followed += self.fire(due[0])
        self.now = until
        return followed
