import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.model.durations import (
    DURATION_DAYS_MAX,
    DurationError,
    format_duration,
    parse_duration_ms,
)

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("-0s", 0),
        ("100ms", 100),
        ("10s", 10_000),
        ("1.5s", 1_500),
        ("1,5s", 1_500),
        ("1h 30m", 90 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("1 hour, 30 minutes", 90 * MINUTE),
        ("5 hours", 5 * HOUR),
        ("0.5h", 30 * MINUTE),
        ("1s 500ms", 1_500),
        ("2d", 2 * DAY),
        ("1d 02:30:05.25", DAY + 2 * HOUR + 30 * MINUTE + 5_250),
        ("+5s", 5_000),
        (" 5s ", 5_000),
        ("PT1S", 1_000),
        ("pt1s", 1_000),
        ("PT0.25S", 250),
        ("PT1,5H", 90 * MINUTE),
        ("P1D", DAY),
        ("P1W", 7 * DAY),
        ("1w 2 days", 9 * DAY),
        ("P1DT2H3M4S", DAY + 2 * HOUR + 3 * MINUTE + 4_000),
        ("365000d", 365_000 * DAY),
    ],
)
def test_both_forms_are_read(text, milliseconds):
    assert parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("1us", 1), ("1\u00b5s", 1), ("1\u03bcs", 1), ("1500us", 2), ("1ns", 1)],
)
def test_parts_of_a_millisecond_round_up(text, milliseconds):
    assert parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("100", "100ms"),
        ("abc", "expected a number"),
        ("5 parsecs", "'parsecs' is not a unit"),
        ("5 M", "'M' is not a unit"),
        ("1month", "weeks or smaller"),
        ("1y", "weeks or smaller"),
        ("1000000y", "weeks or smaller"),
        ("P1M", "weeks or smaller"),
        ("-5s", "negative"),
        ("5s ago", "negative"),
        ("-PT5S", "negative"),
        ("5m 1h", "large to small"),
        ("5m 5m", "large to small"),
        ("1.5h 5m", "only the last unit"),
        ("1.5d", "only the last unit"),
        ("1.5w", "only the last unit"),
        ("1d 1w", "large to small"),
        ("365001d", f"{DURATION_DAYS_MAX} days"),
        ("P", "is missing"),
        ("PT", "is missing"),
        ("P1DT", "is missing"),
        ("PT5", "expected a number and one of"),
        ("P5S", "expected a number and one of"),
        ("PT5D", "expected a number and one of"),
        ("1:2:3", "unit"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text, says):
    with pytest.raises(DurationError, match=says):
        parse_duration_ms(text)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0s"),
        (500, "500ms"),
        (MINUTE, "1m"),
        (90 * MINUTE, "1h 30m"),
        (DAY, "1d"),
        (DAY + 1, "1d 1ms"),
    ],
)
def test_the_friendly_form_is_written(milliseconds, text):
    assert format_duration(milliseconds) == text


@given(st.integers(0, DURATION_DAYS_MAX * DAY))
def test_what_is_written_is_read_back(milliseconds):
    assert parse_duration_ms(format_duration(milliseconds)) == milliseconds


@given(st.text(max_size=20))
def test_every_text_is_read_or_refused(text):
    with contextlib.suppress(DurationError):
        assert parse_duration_ms(text) >= 0
