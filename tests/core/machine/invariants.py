"""What must hold of the tables after every record; each function checks one sentence.

They read an :class:`~images.Image` only, so that they can be held against any partition's store.
A sentence about one invocation alone is checked of those that the image says were touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from claims import ADMITTED, armed_sleeps
from images import Image

from perdure.core.machine.endings import CALLERS_IN_ROW
from perdure.core.machine.events import EVENTS_MAX
from perdure.core.machine.outbox import addressee
from perdure.core.model.awaiting import Settled, settle_stored
from perdure.core.model.invocations import (
    Completed,
    Suspended,
)
from perdure.core.model.promises import Pending
from perdure.core.model.shares import ALONE, Share
from perdure.core.model.targets import HandlerKind
from perdure.core.tables.keys import caller_key, object_key, partition_fact
from perdure.core.tables.tables import ATTEMPTS, SENT, SHIPPED, TAKEN
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Completion, GetPromise, Input, Signal


def check_all(image: Image, seen: Mapping[InvocationId, int], share: Share = ALONE) -> None:
    """Check every invariant.

    Args:
        image: the tables.
        seen: how many journal entries each suspended invocation's last attempt had been sent.
        share: what belongs to the partition.
    """
    a_key_has_one_holder(image)
    whoever_waits_for_a_key_stands_in_line(image)
    whatever_changes_a_state_stands_in_line(image)
    what_runs_is_listed(image)
    what_is_parked_is_listed(image)
    what_is_due_has_its_timer(image)
    suspended_invocations_lack_what_they_await(image, seen)
    promises_know_who_listens(image)
    what_ended_expires(image)
    journals_are_as_long_as_rows_say(image)
    callers_are_as_many_as_rows_say(image)
    events_are_as_many_as_rows_say(image)
    nothing_is_left_of_the_forgotten(image)
    attempts_are_numbered_once(image)
    everything_is_where_it_belongs(image, share)
    whatever_was_not_taken_is_in_the_outbox(image, share)


def a_key_has_one_holder(image: Image) -> None:
    """I5: a lock names the one admitted invocation on its key, and there is no other lock."""
    assert image.claims.held == {(group, lock.holder) for group, lock in image.locks.items()}


def whoever_waits_for_a_key_stands_in_line(image: Image) -> None:
    """I5, I6: inboxed invocations and places in lines are the same, within head and tail."""
    assert image.claims.places == set(image.lines.items())
    for position, invocation_id in image.lines.items():
        group, place = position[:-8], int.from_bytes(position[-8:], "big")
        row = image.invocations[invocation_id]
        assert row.target.kind is HandlerKind.EXCLUSIVE
        assert group == object_key(row.target)
        assert group in image.locks, "somebody waits for a key that is free"
        assert image.locks[group].head <= place < image.locks[group].tail


def whatever_changes_a_state_stands_in_line(image: Image) -> None:
    """I5, I6: mutations wait at places of their own, behind somebody who holds the key."""
    assert not image.mutations.keys() & image.lines.keys(), "two stand at one place"
    for position in image.mutations:
        group, place = position[:-8], int.from_bytes(position[-8:], "big")
        assert group in image.locks, "a mutation waits for a key that is free"
        assert image.locks[group].head <= place < image.locks[group].tail


def what_runs_is_listed(image: Image) -> None:
    """I6: the table of running invocations names exactly these."""
    assert image.claims.running == image.running


def what_is_parked_is_listed(image: Image) -> None:
    """The table of parked invocations names exactly those that are suspended or paused."""
    assert image.claims.parked == image.parked


def what_is_due_has_its_timer(image: Image) -> None:
    """I6: delayed starts, retries and sleeps have their timers, and nothing else has one."""
    assert image.claims.timers == image.timers
    for invocation_id, row in image.touched_rows():
        journal = image.journals.get(invocation_id, {})
        assert row.sleeps == len(armed_sleeps(row, journal))


def suspended_invocations_lack_what_they_await(
    image: Image, seen: Mapping[InvocationId, int]
) -> None:
    """I6: whoever is suspended has not got what wakes it."""
    for invocation_id, row in image.touched_rows():
        if not isinstance(row.status, Suspended):
            continue
        came = [
            entry.message
            for index, entry in image.journals[invocation_id].items()
            if index >= seen.get(invocation_id, 0)
            and isinstance(entry.message, Completion | Signal)
        ]
        left = settle_stored(row.status.awaiting, came)
        assert not isinstance(left, Settled), f"{invocation_id!r} sleeps on"


def promises_know_who_listens(image: Image) -> None:
    """I6: listeners are alive and asked; and everyone who asked is a listener or was answered."""
    listening: Counter[InvocationId] = Counter()
    pending = {
        (group, name): promise
        for group, promises in image.promises.items()
        for name, promise in promises.items()
        if isinstance(promise, Pending)
    }
    assert image.listeners.keys() <= pending.keys()
    for key, promise in pending.items():
        further = image.listeners.get(key, {})
        assert promise.listeners or further, "a pending promise is there for its listeners only"
        assert len(further) == promise.further
        assert len({one.place for one in further.values()} | {promise.places}) == len(further) + 1
        assert all(who == caller_key(one.caller) for who, one in further.items())
        for listener in (*promise.listeners, *(one.caller for one in further.values())):
            listening[listener.invocation_id] += 1
            row = image.invocations[listener.invocation_id]
            assert isinstance(row.status, ADMITTED)
            assert row.created_at == listener.created_at
            assert any(
                isinstance(entry.message, GetPromise)
                and entry.message.key.encode() == key[1]
                and entry.message.result_completion_id == listener.completion_id
                for entry in image.journals[listener.invocation_id].values()
            )
    assert image.claims.listening == set(listening.items())


def what_ended_expires(image: Image) -> None:
    """I6: results and journals that are kept have the time noted when they go, and only these."""
    assert image.claims.expiries == image.expiries
    for _, row in image.touched_rows():
        if isinstance(row.status, Completed):
            assert row.retention.completion_ms > 0
            assert not row.callers, "nobody waits for what has ended"


def journals_are_as_long_as_rows_say(image: Image) -> None:
    """I2: indexes have no gaps, the input comes first, and the row counts entries and commands."""
    for invocation_id, row in image.touched_rows():
        journal = image.journals.get(invocation_id, {})
        if isinstance(row.status, Completed) and row.status.journal_purged:
            assert not journal
            continue
        assert sorted(journal) == list(range(row.journal.entries))
        assert isinstance(journal[0].message, Input)
        commands = [
            entry
            for entry in journal.values()
            if not isinstance(entry.message, Completion | Signal)
        ]
        assert row.journal.commands == len(commands)


def callers_are_as_many_as_rows_say(image: Image) -> None:
    """I6: whoever waits beside the first few has a place of its own, in order of arrival."""
    for invocation_id, row in image.touched_rows():
        further = image.callers.get(invocation_id, {})
        assert sorted(one.place for one in further.values()) == list(range(row.further_callers))
        assert all(key == caller_key(one.caller) for key, one in further.items())
        assert not further or len(row.callers) >= CALLERS_IN_ROW


def events_are_as_many_as_rows_say(image: Image) -> None:
    """Events are numbered without gaps up to what the row counted; only the oldest are dropped."""
    for invocation_id, row in image.touched_rows():
        numbers = sorted(image.events.get(invocation_id, {}))
        assert numbers == list(range(max(0, row.events - EVENTS_MAX), row.events))


def nothing_is_left_of_the_forgotten(image: Image) -> None:
    """Every row about an invocation is about one that has a row."""
    alive = image.invocations.keys()
    assert image.journals.keys() <= alive
    assert image.callers.keys() <= alive
    assert image.events.keys() <= alive
    assert {timer.invocation_id for timer in image.timers} <= alive
    assert {invocation_id for _, invocation_id, _ in image.expiries} <= alive
    assert image.running | image.parked <= alive
    assert set(image.lines.values()) <= alive
    assert {lock.holder for lock in image.locks.values()} <= alive


def attempts_are_numbered_once(image: Image) -> None:
    """I4: no two invocations share the number of an attempt, and none is beyond the count."""
    attempts = image.claims.attempts
    numbers = dict(attempts)
    assert len(numbers) == len(attempts)
    assert max(numbers, default=0) <= image.facts.get(ATTEMPTS, 0)


def everything_is_where_it_belongs(image: Image, share: Share) -> None:
    """I3: a partition has rows about its own invocations and keys, and messages for others."""
    assert all(share.holds(invocation_id) for invocation_id in image.invocations)
    assert all(share.holds(group) for group in (*image.locks, *image.states, *image.promises))
    for (destination, _), message in image.outbox.items():
        assert share.owner(addressee(message)) == destination != share.index


def whatever_was_not_taken_is_in_the_outbox(image: Image, share: Share) -> None:
    """I6: messages are numbered without gaps, and kept until the other partition has them."""
    numbers: dict[int, list[int]] = {}
    for destination, number in sorted(image.outbox):
        numbers.setdefault(destination, []).append(number)
    for other in range(share.count):
        sent = image.facts.get(partition_fact(SENT, other), 0)
        shipped = image.facts.get(partition_fact(SHIPPED, other), 0)
        assert numbers.get(other, []) == list(range(shipped + 1, sent + 1))


def partitions_agree(images: Sequence[Image]) -> None:
    """I7: each has taken what was sent, no more, and at least what the sender forgot."""
    for source, there in enumerate(images):
        for destination, here in enumerate(images):
            sent = there.facts.get(partition_fact(SENT, destination), 0)
            shipped = there.facts.get(partition_fact(SHIPPED, destination), 0)
            taken = here.facts.get(partition_fact(TAKEN, source), 0)
            assert shipped <= taken <= sent
