"""Random programs for handlers, as plain lists, and what a sequential reader expects of them.

A program is a list of operations; an operation is ``[kind, place, *parameters]``, where the place
is unique. What came of it is a list of results in the same order, together with the id of the
invocation that ran it: see :func:`judge`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from simworld.history import History
from simworld.violations import Violation

Operation = list[Any]
Program = list[Operation]

LEDGERS = ("red", "green", "blue")
DEPTH_MAX = 2


class Grower:
    """Draws programs of some kinds of operations."""

    def __init__(self, random: Random, kinds: tuple[str, ...]) -> None:
        self._random = random
        self._kinds = kinds

    def without(self, kind: str) -> Grower:
        """Give one that draws no operations of a kind."""
        return Grower(self._random, tuple(each for each in self._kinds if each != kind))

    def program(self, place: str, length: int, depth: int = 0) -> Program:
        return [self.operation(f"{place}.{index}", depth) for index in range(length)]

    def operation(self, place: str, depth: int) -> Operation:
        kinds = [kind for kind in self._kinds if depth < DEPTH_MAX or kind not in _NESTED]
        kind = self._random.choice(kinds or ["step"])
        return [kind, place, *_DRAW[kind](self, place, depth)]

    def nested(self, place: str, depth: int) -> Program:
        return self.program(place, self._random.randint(1, 3), depth + 1)

    def short_ms(self) -> int:
        return self._random.choice((1, 5, 20, 100, 700, 3000))

    def times(self) -> int:
        return self._random.choice((0, 1, 1, 2, 3))

    def ledger(self) -> str:
        return self._random.choice(LEDGERS)


def _draw_step(grower: Grower, _place: str, _depth: int) -> list[Any]:
    return [grower._random.random() < 0.5, grower._random.choice((1, 1, 1, 30, 3_500))]


def _draw_append(grower: Grower, _place: str, _depth: int) -> list[Any]:
    return [grower.ledger(), grower._random.choice((0, 0, 0, 1, 50)), grower._random.random() < 0.2]


def _draw_send(grower: Grower, _place: str, _depth: int) -> list[Any]:
    return [grower.ledger(), grower._random.choice((0, 0, 0, 30, 2000))]


def _draw_call(grower: Grower, place: str, depth: int) -> list[Any]:
    program = grower.nested(place, depth)
    if grower._random.random() < 0.1:
        program.append(["terminal", f"{place}.t"])
    return [program]


def _draw_race(grower: Grower, _place: str, _depth: int) -> list[Any]:
    return [grower._random.choice((1, 2, 5, 50)), grower.ledger()]


_DRAW: dict[str, Callable[[Grower, str, int], list[Any]]] = {
    "step": _draw_step,
    "flaky": lambda grower, _place, _depth: [grower.times()],
    "crashy": lambda grower, _place, _depth: [grower.times()],
    "hang": lambda grower, _place, _depth: [1],
    "sleep": lambda grower, _place, _depth: [grower.short_ms()],
    "append": _draw_append,
    "send": _draw_send,
    "call": _draw_call,
    "gather": lambda grower, place, depth: [grower.nested(place, depth)],
    # One that fails has the others cancelled, who may have gone further than they will the next
    # time, when it does not fail: no handler that is the same in every attempt.
    "group": lambda grower, place, depth: [grower.without("crashy").nested(place, depth)],
    "race": _draw_race,
    "wait": lambda grower, _place, _depth: [grower.short_ms(), grower.short_ms()],
    "timeout": lambda grower, _place, _depth: [grower.short_ms()],
    "awakeable": lambda _grower, _place, _depth: [],
    "pair": lambda grower, _place, _depth: [grower._random.choice((0, 2_500))],
    "signals": lambda grower, _place, _depth: [grower._random.choice((0, 2_500))],
    "output": lambda grower, place, depth: [grower.nested(place, depth)],
    "give_up": lambda grower, _place, _depth: [grower.short_ms(), grower.ledger()],
    "attach": lambda grower, place, depth: [grower.nested(place, depth)],
    "cancel": lambda grower, _place, _depth: [grower.short_ms()],
    "idempotent": lambda grower, place, depth: [grower.nested(place, depth)],
}
_NESTED = frozenset({"call", "output", "gather", "group", "attach", "idempotent"})
KINDS = tuple(_DRAW)


def judge(program: Program, answer: Any, history: History) -> None:
    """Hold what a program gave against what it says.

    Raises:
        Violation: no run of the program gives that.
    """
    who, results = answer
    if len(results) != len(program):
        raise Violation("result", f"{len(program)} operations gave {results!r}")
    for operation, result in zip(program, results, strict=True):
        kind, place, *parameters = operation
        if not _JUDGE[kind](history, who, place, parameters, result):
            raise Violation("result", f"{operation!r} of {who} gave {result!r}")
    for ledger in LEDGERS:
        lines = tuple(
            f"{who}/{place}"
            for kind, place, *parameters in program
            if kind == "append" or (kind == "send" and not parameters[1])
            if parameters[0] == ledger
        )
        if len(lines) > 1:
            history.orders.append((ledger, lines))


def _judge_step(history: History, who: str, place: str, _parameters: Any, result: Any) -> bool:
    number = int(result.partition("#")[2])
    return bool(result == f"{place}#{number}" and 1 <= number <= history.executions[who, place])


def _judge_nothing(
    _history: History, _who: str, _place: str, _parameters: Any, result: Any
) -> bool:
    return result is None


def _judge_append(history: History, who: str, place: str, parameters: Any, result: Any) -> bool:
    return history.positions[parameters[0]].get(f"{who}/{place}") == result


def _judge_send(history: History, who: str, place: str, parameters: Any, result: Any) -> bool:
    history.promised[parameters[0]].add(f"{who}/{place}")
    return result is None


def _judge_call(history: History, _who: str, _place: str, parameters: Any, result: Any) -> bool:
    program = parameters[0]
    last = program[-1]
    if last[0] == "terminal":
        return bool(result == ["failed", f"terminal {last[1]}"])
    judge(program, result, history)
    return True


def _judge_all(history: History, who: str, _place: str, parameters: Any, result: Any) -> bool:
    judge(parameters[0], [who, result], history)
    return True


def _judge_race(history: History, who: str, place: str, parameters: Any, result: Any) -> bool:
    history.promised[parameters[1]].add(f"{who}/{place}")
    return result in ("timer", "other")


def _judge_give_up(history: History, who: str, place: str, parameters: Any, result: Any) -> bool:
    history.promised[parameters[1]].add(f"{who}/{place}")
    return result == "timeout" or isinstance(result, int)


def _judge_awakeable(history: History, who: str, place: str, _parameters: Any, result: Any) -> bool:
    return result in history.sent[f"{who}/{place}"]


_JUDGE: dict[str, Callable[[History, str, str, Any, Any], bool]] = {
    "step": _judge_step,
    "flaky": _judge_step,
    "crashy": _judge_nothing,
    "hang": _judge_nothing,
    "sleep": _judge_nothing,
    "append": _judge_append,
    "send": _judge_send,
    "call": _judge_call,
    "gather": _judge_all,
    "group": _judge_all,
    "race": _judge_race,
    "wait": lambda _h, _w, _p, _q, result: result in ("first", "second"),
    "timeout": lambda _h, _w, _p, _q, result: result == "timeout",
    "awakeable": _judge_awakeable,
    "pair": lambda _h, _w, _p, _q, result: result == ["value 0", "value 1"],
    "signals": lambda _h, _w, _p, _q, result: result == ["signal 0", "signal 1"],
    "output": _judge_call,
    "give_up": _judge_give_up,
    "attach": _judge_call,
    "cancel": lambda _h, _w, _p, _q, result: result == 409,
    "idempotent": _judge_call,
}
