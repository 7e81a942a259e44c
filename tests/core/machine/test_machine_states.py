"""State of objects and workflows."""

from __future__ import annotations

from machine_values import (
    ENDED,
    A,
    B,
    C,
    D,
    add,
    completion,
    look,
    output,
    run,
    signup,
    verify,
    waits,
)

from perdure.core.model.targets import HandlerKind, Target
from perdure.protocol.messages import (
    VOID,
    ClearAllState,
    ClearState,
    CompletionKind,
    GetEagerState,
    GetEagerStateKeys,
    GetLazyState,
    GetLazyStateKeys,
    SetState,
    StateKeys,
    Value,
)


def put(key: bytes, value: bytes) -> SetState:
    return SetState(key, Value(value))


def read(number: int, value: bytes | None):
    result = VOID if value is None else Value(value)
    return completion(CompletionKind.GET_LAZY_STATE, number, result)


def keys(number: int, *names: bytes):
    return completion(CompletionKind.GET_LAZY_STATE_KEYS, number, StateKeys(names))


def test_what_is_set_stays_after_the_invocation(world):
    world.invoke(add(), A)
    world.progress(A, put(b"n", b"1"), put(b"m", b"2"))
    world.progress(A, ClearState(b"m"), output(), ending=ENDED)
    assert world.state(add()) == {b"n": b"1"}
    world.restart()
    assert world.state(add()) == {b"n": b"1"}


def test_an_empty_value_is_a_value(world):
    world.invoke(add(), A)
    world.progress(A, put(b"n", b""), GetLazyState(b"n", 1))
    world.restart()
    assert world.state(add()) == {b"n": b""}
    assert world.journal(A)[-1] == read(1, b"")


def test_state_belongs_to_one_key_of_one_service(world):
    world.invoke(add("a"), A)
    world.progress(A, put(b"n", b"1"))
    for other in (add("b"), Target("Other", "add", HandlerKind.EXCLUSIVE, "a")):
        assert world.state(other) == {}
    assert world.state(look("a")) == {b"n": b"1"}


def test_a_lazy_read_sees_own_earlier_writes(world):
    world.invoke(add(), A)
    world.progress(
        A,
        GetLazyState(b"n", 1),
        put(b"n", b"1"),
        GetLazyState(b"n", 2),
        ClearState(b"n"),
        GetLazyState(b"n", 3),
    )
    answers = [entry for entry in world.journal(A) if entry.__class__.__name__ == "Completion"]
    assert answers == [read(1, None), read(2, b"1"), read(3, None)]
    assert world.forwarded == answers


def test_a_lazy_answer_stands_right_behind_its_command(world):
    world.invoke(add(), A)
    first, second = GetLazyState(b"n", 1), GetLazyStateKeys(2)
    world.progress(A, first, run(3), second)
    assert world.journal(A) == [first, read(1, None), run(3), second, keys(2)]


def test_a_lazy_read_wakes_at_once(world):
    world.invoke(add(), A)
    world.progress(A, GetLazyState(b"n", 1), ending=waits(1))
    assert world.started == [A]


def test_keys_come_in_order(world):
    world.invoke(add(), A)
    world.progress(A, put(b"b", b""), put(b"a", b""))
    world.flush()
    world.progress(A, put(b"aa", b""), put(b"c", b""), ClearState(b"b"), GetLazyStateKeys(1))
    assert world.journal(A)[-1] == keys(1, b"a", b"aa", b"c")


def test_clear_all_clears_what_is_stored_and_what_is_not_yet(world):
    world.invoke(add(), A)
    world.progress(A, put(b"old", b"1"))
    world.flush()
    world.progress(A, put(b"new", b"1"), ClearAllState(), put(b"newest", b"1"))
    assert world.state(add()) == {b"newest": b"1"}
    world.restart()
    assert world.state(add()) == {b"newest": b"1"}


def test_clear_all_spares_other_keys(world):
    world.invoke(add("a"), A)
    world.invoke(add("ab"), B)
    world.progress(B, put(b"n", b"1"))
    world.progress(A, put(b"n", b"1"), ClearAllState())
    assert world.state(add("a")) == {}
    assert world.state(add("ab")) == {b"n": b"1"}


def test_eager_answers_are_kept_as_they_came(world):
    world.invoke(add(), A)
    did = [GetEagerState(b"n", VOID), GetEagerStateKeys(StateKeys((b"x",)))]
    world.progress(A, *did)
    assert world.journal(A) == did


def test_a_superseded_attempt_writes_nothing(world):
    world.invoke(add(), A)
    attempt = world.attempts[A]
    world.pause(A)
    world.progress(A, put(b"n", b"late"), attempt=attempt)
    world.resume(A)
    world.progress(A, put(b"n", b"late"), attempt=attempt)
    assert world.state(add()) == {}


def test_a_killed_invocation_leaves_what_it_wrote(world):
    world.invoke(add(), A)
    world.progress(A, put(b"n", b"1"))
    world.kill(A)
    assert world.state(add()) == {b"n": b"1"}


def test_a_workflow_shares_its_state_with_its_shared_handlers(world):
    world.invoke(signup(), A)
    world.progress(A, put(b"step", b"mail"))
    world.invoke(verify(), B)
    world.progress(B, GetLazyState(b"step", 1))
    assert world.journal(B)[-1] == read(1, b"mail")


def test_the_next_holder_of_a_key_sees_what_the_last_one_wrote(world):
    for name in (C, D):
        world.invoke(add(), name)
    world.progress(C, put(b"n", b"1"), output(), ending=ENDED)
    world.progress(D, GetLazyState(b"n", 1))
    assert world.journal(D)[-1] == read(1, b"1")
