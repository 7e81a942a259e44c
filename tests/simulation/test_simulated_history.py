"""The books see what must not be, and accept what may."""

from __future__ import annotations

import pytest
from simworld.history import History
from simworld.violations import Violation


def written(*lines: str) -> History:
    history = History()
    for line in lines:
        history.issue("red", line)
    return history


def promise_of(history: History, lines: list[str]) -> str | None:
    try:
        history.judge_ledger("red", lines)
    except Violation as violation:
        return violation.promise
    return None


def test_a_ledger_as_it_was_written_is_accepted():
    history = written("a", "b")
    history.placed("red", "a", 0)
    history.promised["red"].add("b")
    history.orders.append(("red", ("a", "b")))
    history.writes["red"] = [("a", 0.0, 1.0), ("b", 2.0, 3.0)]
    history.reads["red"] = [(["a"], 1.5, 2.5), ([], 0.0, 0.5)]
    assert promise_of(history, ["a", "b"]) is None


@pytest.mark.parametrize(
    ("lines", "promise"),
    [
        (["a", "a"], "exactly once"),
        (["a", "ghost"], "nothing unasked"),
        (["b"], "lost effect"),
        (["b", "a"], "lost effect"),
    ],
)
def test_a_ledger_that_cannot_be_is_refused(lines, promise):
    history = written("a", "b")
    history.placed("red", "a", 0)
    assert promise_of(history, lines) == promise


def test_a_missing_line_is_a_lost_effect():
    history = written("a")
    history.promised["red"].add("a")
    assert promise_of(history, []) == "lost effect"


def test_lines_of_one_sender_stand_in_its_order():
    history = written("a", "b", "c")
    history.orders.append(("red", ("a", "b", "c")))
    assert promise_of(history, ["a", "c"]) is None
    assert promise_of(history, ["b", "a"]) == "order"


def test_what_was_answered_first_stands_first():
    history = written("a", "b")
    history.writes["red"] = [("a", 0.0, 1.0), ("b", 2.0, 3.0)]
    assert promise_of(history, ["b", "a"]) == "linearizable"
    history.writes["red"] = [("a", 0.0, 2.5), ("b", 2.0, 3.0)]
    assert promise_of(history, ["b", "a"]) is None


def test_a_read_sees_what_was_answered_before_and_nothing_of_the_future():
    history = written("a")
    history.writes["red"] = [("a", 0.0, 1.0)]
    history.reads["red"] = [([], 2.0, 3.0)]
    assert promise_of(history, ["a"]) == "linearizable"
    history.writes["red"] = [("a", 4.0, 5.0)]
    history.reads["red"] = [(["a"], 2.0, 3.0)]
    assert promise_of(history, ["a"]) == "linearizable"


def accused(history: History) -> str | None:
    return None if history.violation is None else history.violation.promise


def test_a_step_that_was_seen_must_not_run_again():
    history = History()
    token = history.execute("inv", "step")
    assert history.execute("inv", "step") != token
    history.see("inv", "step", token)
    assert accused(history) is None
    history.execute("inv", "step")
    assert accused(history) == "exactly once"


def test_a_result_is_the_same_in_every_attempt():
    history = History()
    history.see("inv", "place", [1, 2])
    history.see("inv", "place", [1, 2])
    assert accused(history) is None
    history.see("inv", "place", [1, 3])
    assert accused(history) == "replay"


def test_a_wait_may_be_late_and_never_early():
    history = History()
    history.begin_wait("sleep", 500)
    history.begin_wait("sleep", 900)
    history.latest_ms = 500
    history.end_wait("sleep")
    assert accused(history) is None
    history.latest_ms = 499
    history.end_wait("sleep")
    assert accused(history) == "never early"
