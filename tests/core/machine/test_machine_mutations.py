"""State that is replaced from outside: in turn, whole, and only if it is the one expected."""

from __future__ import annotations

from machine_values import ENDED, A, B, C, add, look, output, signup

from perdure.core.model.mutations import state_version
from perdure.core.model.verdicts import Verdict
from perdure.protocol.messages import SetState, Value

EMPTY = state_version(())


def test_a_free_key_gets_its_new_state_at_once(world):
    assert world.mutate(add(), a=b"1", b=b"2") is Verdict.DONE
    assert world.state(add()) == {b"a": b"1", b"b": b"2"}


def test_the_whole_state_is_replaced(world):
    world.mutate(add(), a=b"1", b=b"2")
    world.mutate(add(), b=b"3")
    assert world.state(add()) == {b"b": b"3"}
    world.mutate(add())
    assert world.state(add()) == {}


def test_an_expected_state_is_replaced_and_another_one_is_not(world):
    assert world.mutate(add(), EMPTY, a=b"1") is Verdict.DONE
    assert world.mutate(add(), EMPTY, a=b"2") is Verdict.STATE_CHANGED
    assert world.state(add()) == {b"a": b"1"}
    assert world.mutate(add(), state_version([(b"a", b"1")]), a=b"2") is Verdict.DONE
    assert world.state(add()) == {b"a": b"2"}


def test_a_held_key_is_not_touched_before_its_holder_ends(world):
    world.invoke(add(), A)
    assert world.mutate(add(), a=b"1") is Verdict.ACCEPTED
    assert world.state(add()) == {}
    world.end(A)
    assert world.state(add()) == {b"a": b"1"}
    assert world.holder(add()) is None


def test_mutations_and_invocations_have_their_turn_in_order_of_arrival(world):
    for name in (A, B):
        world.invoke(add(), name)
    world.mutate(add(), a=b"between")
    world.invoke(add(), C)
    world.mutate(add(), a=b"last")
    world.end(A)
    assert (world.started, world.state(add())) == ([B], {})
    world.end(B)
    assert (world.started, world.state(add())) == ([C], {b"a": b"between"})
    world.end(C)
    assert (world.started, world.state(add())) == ([], {b"a": b"last"})


def test_several_mutations_follow_each_other(world):
    world.invoke(add(), A)
    world.mutate(add(), a=b"1")
    world.mutate(add(), state_version([(b"a", b"1")]), a=b"2")
    world.end(A)
    assert world.state(add()) == {b"a": b"2"}


def test_what_is_expected_is_looked_at_in_turn(world):
    world.invoke(add(), A)
    assert world.mutate(add(), EMPTY, a=b"mine") is Verdict.ACCEPTED
    world.progress(A, SetState(b"a", Value(b"theirs")), output(), ending=ENDED)
    assert world.state(add()) == {b"a": b"theirs"}


def test_a_place_that_was_left_is_passed_over(world):
    for name in (A, B):
        world.invoke(add(), name)
    world.mutate(add(), a=b"1")
    world.cancel(B)
    world.end(A)
    assert world.state(add()) == {b"a": b"1"}
    assert world.holder(add()) is None


def test_mutations_survive_a_restart(world):
    world.invoke(add(), A)
    world.mutate(add(), a=b"1")
    world.restart()
    world.kill(A)
    assert world.state(add()) == {b"a": b"1"}


def test_shared_handlers_and_workflows_hold_no_key(world):
    world.invoke(look(), A)
    world.invoke(signup(), B)
    assert world.mutate(look(), a=b"1") is world.mutate(signup(), a=b"1") is Verdict.DONE
    assert world.state(look()) == world.state(signup()) == {b"a": b"1"}
