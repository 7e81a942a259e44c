"""Random programs: what could happen to a partition, one small choice after the other.

A choice is a kind of event and three numbers, which pick among what is possible at that moment.
Most events make sense (an open attempt goes on); some do not (the word of a superseded attempt).
"""

from __future__ import annotations

from enum import IntEnum
from itertools import count
from typing import Any, NamedTuple

from hypothesis import strategies as st
from machine_values import (
    BROKEN,
    DAY,
    FEW_RETRIES,
    FEW_RETRIES_THEN_KILL,
    GREET,
    HOUR,
    JOURNAL_SHORTER,
    KEPT,
    MINUTE,
    NOT_KEPT,
    RESULT_ONLY,
    SECOND,
    CallTo,
    add,
    call,
    cancel_of,
    failed,
    look,
    ran,
    run,
    send,
    signup,
    sleep,
    verify,
)
from world import World

from perdure.core.model.invocations import Caller, Invocation, Pin
from perdure.core.model.mutations import state_version
from perdure.core.model.records import (
    Attach,
    Ended,
    Ending,
    ReadOutput,
    Record,
    Respond,
    Suspended,
)
from perdure.core.model.targets import Target
from perdure.core.model.timers import Timer, TimerKind
from perdure.protocol.ids import (
    DeploymentId,
    InvocationId,
    awakeable_text,
    invocation_text,
    keyed_partition_key,
)
from perdure.protocol.messages import (
    VOID,
    AttachInvocation,
    ClearAllState,
    ClearState,
    Combinator,
    CompleteAwakeable,
    CompletePromise,
    CompletionKind,
    ErrorBehavior,
    Failure,
    Future,
    GetInvocationOutput,
    GetLazyState,
    GetLazyStateKeys,
    GetPromise,
    InvocationTarget,
    Output,
    PeekPromise,
    SendSignal,
    SetState,
    Value,
)

#: Where there are two partitions, each has some of the keys.
TARGETS = (GREET, add("x"), add("b"), look("x"), signup("w"), verify("w"))
ROOTS = 6
RETENTIONS = (KEPT, NOT_KEPT, RESULT_ONLY, JOURNAL_SHORTER)
OUTCOMES = (Value(b"v"), Failure(500, "f"))


class Event(IntEnum):
    """What may happen; an event that is listed twice happens more often."""

    INVOKE = 0
    INVOKE_LATER = 1
    COMMAND = 2
    COMMANDS_AND_WAIT = 3
    COMMAND_AND_END = 4
    WAIT = 5
    FAIL = 6
    END = 7
    STALE_WORD = 8
    SIGNAL = 9
    CANCEL = 10
    KILL = 11
    PAUSE = 12
    RESUME = 13
    PURGE = 14
    PURGE_JOURNAL = 15
    RESTART_AS_NEW = 16
    EXPIRE = 17
    ADVANCE = 18
    STRAY_TIMER = 19
    STRAY_RESPONSE = 20
    ATTACH = 21
    ANNOUNCE = 22
    STALE_LEADER = 23
    MUTATE_STATE = 24


class Choice(NamedTuple):
    """One event, and the numbers that pick whom and how."""

    event: Event
    who: int
    what: int
    how: int


_SMALL = st.integers(0, 31)
_GROWING = (Event.INVOKE, Event.COMMAND, Event.COMMAND, Event.COMMANDS_AND_WAIT)
_SETTLING = (Event.END, Event.FAIL, Event.RESUME, Event.ADVANCE)
choices = st.builds(
    Choice, st.sampled_from([*Event, *_GROWING * 4, *_SETTLING]), _SMALL, _SMALL, _SMALL
)
#: Long enough for invocations to meet: Hypothesis draws short lists by itself, and shrinks to them.
programs = st.integers(0, 50).flatmap(lambda size: st.lists(choices, min_size=size, max_size=60))


def placed(name: str, target: Target) -> InvocationId:
    """Give an id that can be read in a failing test, in the partition of what it is to run."""
    partition_key = keyed_partition_key(target.key if target.kind.keyed else name)
    return InvocationId(partition_key + name.encode().rjust(16, b"."))


def root(number: int, target: Target = GREET) -> InvocationId:
    """Give one of few ids, which is asked for again and again."""
    return placed(f"root{number % ROOTS}", target)


class Program:
    """Drives a world by choices."""

    def __init__(self, world: Any = None) -> None:
        self.world = World() if world is None else world
        self._fresh = count()

    def play(self, program: list[Choice]) -> World:
        """Let everything happen, in order."""
        for choice in program:
            self.happen(choice)
        return self.world

    def happen(self, choice: Choice) -> None:
        """Let one thing happen."""
        _HAPPEN[choice.event](self, choice)

    # ------------------------------------------------------------------------------------------
    # Picking

    def anyone(self, number: int) -> InvocationId:
        """Pick an invocation, or now and then an id that is free."""
        pool = [*sorted(self.world.image.invocations), root(number)]
        return pool[number % len(pool)]

    def someone_open(self, number: int) -> InvocationId | None:
        """Pick an invocation with an open attempt."""
        pool = sorted(self.world.attempts)
        return pool[number % len(pool)] if pool else None

    def fresh_id(self, target: Target) -> InvocationId:
        """Draw an id that nobody had."""
        return placed(f"fresh{next(self._fresh):03}", target)

    def next_completion(self, who: InvocationId) -> int:
        """Give a completion id that the invocation has not used: commands use two at the most."""
        return 2 * self.world.row(who).journal.commands + 1

    def commands(self, who: InvocationId, choice: Choice) -> list:
        """Write one or two commands for an invocation."""
        row, first = self.world.row(who), self.next_completion(who)
        made = [*self._command(row, first, choice.what, choice.how)]
        if choice.how % 3 == 0:
            made += self._command(row, first + 2, choice.how, choice.what)
        return made

    def _command(self, row: Invocation, number: int, what: int, how: int) -> list:
        key, name = b"k%d" % (how % 3), f"p{how % 3}"
        other = self.anyone(how)
        options = [
            lambda: [sleep(self.world.now + (how % 4) * MINUTE, number=number)],
            lambda: [self._call(call, how, number)],
            lambda: [self._call(send, how, number)],
            lambda: [run(number), ran(number)],
            lambda: [run(number)],
            lambda: [cancel_of(other)],
            lambda: [SendSignal(invocation_text(other), how % 20, VOID)],
            lambda: [CompleteAwakeable(awakeable_text(other, 17), OUTCOMES[how % 2])],
            lambda: [AttachInvocation(InvocationTarget(invocation_text(other)), number)],
            lambda: [GetInvocationOutput(InvocationTarget(invocation_text(other)), number)],
        ]
        if row.target.kind.writes_state:
            options += [
                lambda: [SetState(key, Value(b"v%d" % how))],
                lambda: [ClearState(key)],
                lambda: [ClearAllState()],
                lambda: [GetLazyState(key, number)],
                lambda: [GetLazyStateKeys(number)],
            ]
        if row.target.kind.has_promises:
            options += [
                lambda: [GetPromise(name, number)],
                lambda: [GetPromise(name, number)],
                lambda: [PeekPromise(name, number)],
                lambda: [CompletePromise(name, OUTCOMES[how % 2], number)],
            ]
        return options[what % len(options)]()

    def _call(self, make, how: int, number: int) -> CallTo:
        options = {"at": self.world.now + MINUTE} if make is send and how % 4 == 1 else {}
        target, retention = TARGETS[how % len(TARGETS)], RETENTIONS[how % len(RETENTIONS)]
        callee = self.fresh_id(target) if how % 3 else root(how, target)
        return make(callee, target, number=number, retention=retention, **options)

    def awaited(self, who: InvocationId, choice: Choice, added: int) -> Future:
        """Write what an invocation may wait for: recent completions, and its cancellation."""
        last = self.next_completion(who) + 2 * added
        recent = tuple(range(max(1, last - 1 - choice.what % 4), last))
        inner = Future(recent, combinator=Combinator(choice.how % 5))
        return Future(signals=(1, 17), nested=(inner,))

    # ------------------------------------------------------------------------------------------
    # Happening

    def invoke(self, choice: Choice) -> None:
        """Invoke, perhaps once more."""
        target = TARGETS[choice.what % len(TARGETS)]
        who = root(choice.who, target)
        self.world.invoke(target, who, retention=RETENTIONS[choice.how % len(RETENTIONS)])

    def invoke_later(self, choice: Choice) -> None:
        """Invoke with a delay."""
        target = TARGETS[choice.what % len(TARGETS)]
        who = root(choice.who, target)
        self.world.invoke(target, who, at=self.world.now + choice.how * SECOND)

    def act(self, choice: Choice, *, wait: bool, end: bool) -> None:
        """Let an open attempt go on, and perhaps come to an ending."""
        who = self.someone_open(choice.who)
        if who is None:
            return
        did = self.commands(who, choice)
        ending: Ending | None = None
        if wait:
            ending = Suspended(self.awaited(who, choice, added=len(did)))
        if end:
            did.append(Output(OUTCOMES[choice.how % 2]))
            ending = Ended()
        pin = Pin(DeploymentId("dp_1"), 6) if choice.how % 2 else None
        self.world.progress(who, *did, ending=ending, pin=pin)

    def wait(self, choice: Choice) -> None:
        """Let an open attempt suspend."""
        who = self.someone_open(choice.who)
        if who is not None:
            self.world.progress(who, ending=Suspended(self.awaited(who, choice, added=0)))

    def fail(self, choice: Choice) -> None:
        """Let an open attempt fail."""
        who = self.someone_open(choice.who)
        if who is None:
            return
        policy = (FEW_RETRIES, FEW_RETRIES_THEN_KILL)[choice.how % 2]
        behavior = (ErrorBehavior.RETRY, *ErrorBehavior)[choice.what % 4]
        override = (None, None, 0, HOUR)[choice.how % 4]
        chance = choice.what / 31
        ending = failed(policy, chance=chance, behavior=behavior, next_retry_ms=override)
        self.world.progress(who, ending=ending)

    def end(self, choice: Choice) -> None:
        """Let an open attempt end."""
        who = self.someone_open(choice.who)
        if who is not None:
            self.world.end(who, b"out%d" % choice.what)

    def stale_word(self, choice: Choice) -> None:
        """Let an attempt speak that was superseded or never was."""
        who = self.anyone(choice.who)
        number = self.world.attempts.get(who, 0) - 1 - choice.what
        ending = (None, Ended(), failed(problem=BROKEN))[choice.how % 3]
        self.world.progress(who, Output(Value(b"stale")), ending=ending, attempt=number)

    def signal(self, choice: Choice) -> None:
        """Send a signal."""
        signal = (1, 17, 18, "named")[choice.what % 4]
        self.world.signal(self.anyone(choice.who), signal, OUTCOMES[choice.how % 2])

    def restart_as_new(self, choice: Choice) -> None:
        """Restart, mostly from the input only."""
        upto = choice.how if choice.how % 2 else 0
        who = self.anyone(choice.who)
        sibling = InvocationId(who[:8] + self.fresh_id(GREET)[8:])
        self.world.restart_as_new(who, sibling, upto)

    def stray_timer(self, choice: Choice) -> None:
        """Let a timer fire that was taken away, or never was."""
        kind = TimerKind(choice.what % len(TimerKind))
        self.world.fire(Timer(self.world.now, kind, self.anyone(choice.who), choice.how))

    def stray_response(self, choice: Choice) -> None:
        """Answer someone who is gone."""
        kind = (CompletionKind.CALL, CompletionKind.GET_PROMISE)[choice.what % 2]
        caller = Caller(self.anyone(choice.who), choice.how, kind, created_at=1)
        self.world.apply(Respond(caller, VOID))

    def attach(self, choice: Choice) -> None:
        """Wait for, or read, a result on behalf of an open attempt."""
        who = self.someone_open(choice.who)
        if who is None:
            return
        row = self.world.row(who)
        body, kind = (
            (Attach, CompletionKind.ATTACH_INVOCATION),
            (ReadOutput, CompletionKind.GET_INVOCATION_OUTPUT),
        )[choice.how % 2]
        caller = Caller(who, 10_000 + choice.what, kind, row.created_at)
        self.world.apply(body(self.anyone(choice.what), caller))

    def mutate_state(self, choice: Choice) -> None:
        """Replace a state from outside, sometimes one that is expected to be empty."""
        version = state_version(()) if choice.how % 4 == 0 else None
        target = TARGETS[choice.who % len(TARGETS)]
        if target.kind.keyed:
            self.world.mutate(target, version, a=b"%d" % choice.what)

    def stale_leader(self, choice: Choice) -> None:
        """Apply what a leader of old wrote."""
        if self.world.epoch == 0 or not self.world.records:
            return
        old = self.world.records[choice.who % len(self.world.records)]
        before = self.world.image.held
        self.world.replay(Record(self.world.epoch - 1, self.world.now, old.body))
        assert self.world.image.held == before


_HAPPEN = {
    Event.INVOKE: Program.invoke,
    Event.INVOKE_LATER: Program.invoke_later,
    Event.COMMAND: lambda self, choice: self.act(choice, wait=False, end=False),
    Event.COMMANDS_AND_WAIT: lambda self, choice: self.act(choice, wait=True, end=False),
    Event.COMMAND_AND_END: lambda self, choice: self.act(choice, wait=False, end=True),
    Event.WAIT: Program.wait,
    Event.FAIL: Program.fail,
    Event.END: Program.end,
    Event.STALE_WORD: Program.stale_word,
    Event.SIGNAL: Program.signal,
    Event.CANCEL: lambda self, choice: self.world.cancel(self.anyone(choice.who)),
    Event.KILL: lambda self, choice: self.world.kill(self.anyone(choice.who)),
    Event.PAUSE: lambda self, choice: self.world.pause(self.anyone(choice.who)),
    Event.RESUME: lambda self, choice: self.world.resume(self.anyone(choice.who)),
    Event.PURGE: lambda self, choice: self.world.purge(self.anyone(choice.who)),
    Event.PURGE_JOURNAL: lambda self, choice: self.world.purge_journal(self.anyone(choice.who)),
    Event.RESTART_AS_NEW: Program.restart_as_new,
    Event.EXPIRE: lambda self, choice: self.world.expire(1 + choice.what),
    Event.ADVANCE: lambda self, choice: self.world.advance(
        (SECOND, MINUTE, HOUR, DAY)[choice.what % 4] * (1 + choice.how), late=choice.who % 2 == 1
    ),
    Event.STRAY_TIMER: Program.stray_timer,
    Event.STRAY_RESPONSE: Program.stray_response,
    Event.ATTACH: Program.attach,
    Event.ANNOUNCE: lambda self, choice: self.world.announce(),
    Event.MUTATE_STATE: Program.mutate_state,
    Event.STALE_LEADER: Program.stale_leader,
}
assert _HAPPEN.keys() == set(Event)
