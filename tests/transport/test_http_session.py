"""One attempt over HTTP, against a service of plain values."""

from __future__ import annotations

import asyncio

import pytest

from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.transports import Line
from perdure.protocol import wire
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import End, Error, Output, Sleep, Value
from perdure.transport.exchanges import (
    PIECE_BYTES,
    Exchange,
    LostError,
    PartedError,
    Request,
)
from perdure.transport.farewells import Farewells
from perdure.transport.http_session import (
    PARTED_RETRY_MS,
    PARTINGS_MAX,
    HttpSession,
    parse_retry_after,
)

TYPE = "application/vnd.restate.invocation.v7"
HEAD = {"content-type": TYPE}
OUTPUT = Output(Value(b"done"))


class Attempt:
    """The engine's side, and the exchange that carries the session."""

    def __init__(self, *, limit: int = 1000, failures: int = 0) -> None:
        self.heard: list[object] = []
        self.problems: list[tuple] = []
        line = Line(
            InvocationId(bytes(24)),
            Target("S", "h", HandlerKind.SERVICE),
            7,
            self.heard.extend,
            lambda problem, retry_after_ms: self.problems.append(
                (problem.doc_code, problem.code, retry_after_ms)
            ),
            failures,
        )
        self.session = HttpSession(
            line, "http://host/", TYPE, limit, lambda: self.heard.append("unrecognised")
        )
        self.exchange = Exchange(Request("POST", "/", ()), self.session)
        self.session.begin(self.exchange, Farewells())


def said(*messages) -> bytes:
    return b"".join(wire.encode(message, 7) for message in messages)


def run(test):
    """Run a test inside an event loop, whose timers a session uses."""

    async def main():
        test()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("failures", "retry_after_ms"),
    [
        (0, PARTED_RETRY_MS),
        (PARTINGS_MAX - 1, PARTED_RETRY_MS),
        (PARTINGS_MAX, None),
        (PARTINGS_MAX + 1, None),
    ],
)
def test_a_service_that_leaves_in_good_order_is_forgiven_a_few_times(failures, retry_after_ms):
    attempt = Attempt(failures=failures)
    attempt.exchange.lose(PartedError("gone"))
    assert attempt.problems == [("RT0010", 500, retry_after_ms)]


def test_the_parameters_of_a_media_type_say_nothing():
    attempt = Attempt()
    attempt.session.head(200, {"content-type": f"{TYPE.upper()}; charset=utf-8"})
    attempt.session.data(said(OUTPUT))
    assert (attempt.problems, attempt.heard) == ([], [OUTPUT])


def test_messages_go_both_ways():
    attempt = Attempt()
    attempt.session.receive((Sleep(1, 2), Sleep(3, 4)))
    assert attempt.exchange.take(1000) == said(Sleep(1, 2), Sleep(3, 4))
    attempt.session.head(200, HEAD)
    data = said(Sleep(5, 6), OUTPUT)
    attempt.session.data(data[:5])
    attempt.session.data(data[5:])
    assert attempt.heard == [Sleep(5, 6), OUTPUT]


def test_a_long_journal_travels_in_few_pieces_and_a_long_value_uncopied():
    attempt = Attempt()
    long = Output(Value(bytes(300_000)))
    journal = [Sleep(number, number) for number in range(1, 5000)]
    attempt.session.receive([*journal, long, *journal])
    taken = []
    while not attempt.exchange.drained:
        taken.append(attempt.exchange.take(PIECE_BYTES))
    assert b"".join(taken) == said(*journal, long, *journal)
    assert len(taken) < 2 * len(said(*journal, long, *journal)) / PIECE_BYTES


@pytest.mark.parametrize("last", [End(), Error(500, "no")])
def test_the_last_message_closes_our_side_and_nothing_follows_it(last):
    def test():
        attempt = Attempt()
        attempt.session.head(200, HEAD)
        attempt.session.data(said(OUTPUT, last, OUTPUT))
        attempt.session.data(said(OUTPUT))
        attempt.session.end()
        assert attempt.heard == [OUTPUT, last]
        assert attempt.exchange.ended
        assert attempt.problems == []

    run(test)


@pytest.mark.parametrize(
    ("status", "headers", "problem"),
    [
        (404, {}, ("RT0012", 500, None)),
        (413, {}, ("RT0019", 413, None)),
        (415, {}, ("RT0015", 415, None)),
        (429, {"retry-after": "2"}, ("RT0023", 500, 2000)),
        (503, {}, ("RT0023", 500, None)),
        (504, {}, ("RT0010", 500, None)),
        (200, {}, ("RT0012", 500, None)),
        (200, {"content-type": TYPE[:-1] + "6"}, ("RT0012", 500, None)),
    ],
)
def test_a_head_that_is_no_service_s_ends_the_attempt(status, headers, problem):
    attempt = Attempt()
    attempt.session.head(status, headers)
    attempt.session.data(said(OUTPUT))
    attempt.session.end()
    assert attempt.problems == [problem]
    assert attempt.heard == []
    assert attempt.exchange.over


@pytest.mark.parametrize(
    ("data", "doc_code", "heard"),
    [
        (b"", "RT0007", []),
        (said(OUTPUT), "RT0007", [OUTPUT]),
        (said(OUTPUT)[:-1], "RT0012", []),
        (said(OUTPUT) + b"\x00\x2a\x00\x00\x00\x00\x00\x00", "RT0012", [OUTPUT]),
        (b"\x04\x01\x00\x00\x00\x00\x04\x00", "RT0003", []),
        (b"\x04\x01\x00\x00\x00\x00\x00\x02\xff\xff", "RT0012", []),
    ],
)
def test_an_answer_that_goes_wrong_costs_the_attempt(data, doc_code, heard):
    attempt = Attempt()
    attempt.session.head(200, HEAD)
    attempt.session.data(data)
    attempt.session.end()
    assert attempt.heard == heard
    assert attempt.problems == [(doc_code, 500, None)]


def test_a_connection_that_breaks_costs_the_attempt():
    attempt = Attempt()
    attempt.exchange.lose(LostError("gone"))
    assert attempt.problems == [("RT0010", 500, None)]


def test_an_aborted_attempt_says_nothing_more():
    attempt = Attempt()
    attempt.session.abort()
    attempt.session.data(said(OUTPUT))
    attempt.session.end()
    attempt.session.lost(LostError("gone"))
    assert (attempt.heard, attempt.problems, attempt.exchange.over) == ([], [], True)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        (None, None),
        ("3", 3000),
        (" 0 ", 0),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90_000),
        ("Thu, 01 Jan 1970 00:00:01 GMT", None),
        ("Wed, 01 Jan 2700000000 01:01:01 +0000", None),
    ],
)
def test_retry_after(text, milliseconds):
    assert parse_retry_after(text, 10.0) == milliseconds
