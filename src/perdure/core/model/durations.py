"""Durations as text: ISO 8601 (``PT1H30M``) and friendly (``1h 30m``), to and from milliseconds.

Both forms add up units of fixed length, from weeks to nanoseconds, from large to small and each at
most once. Months and years have no fixed length and are refused. The last unit may carry a
fraction, unless it is weeks or days.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

#: Longest duration, in days: a thousand years, so that every year it leads to has four digits.
DURATION_DAYS_MAX: Final = 365_000

_NS_PER_MS: Final = 1_000_000
_DAY_NS: Final = 24 * 60 * 60 * 1000 * _NS_PER_MS

#: Nanoseconds a unit, from large to small.
_UNIT_NS: Final = {
    "w": 7 * _DAY_NS,
    "d": _DAY_NS,
    "h": _DAY_NS // 24,
    "m": _DAY_NS // 24 // 60,
    "s": 1000 * _NS_PER_MS,
    "ms": _NS_PER_MS,
    "us": 1000,
    "ns": 1,
}
_RANK: Final = {unit: rank for rank, unit in enumerate(_UNIT_NS)}

_NAMES: Final = {
    "w": ("w", "wk", "wks", "week", "weeks"),
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "msec", "msecs", "milli", "millis", "millisecond", "milliseconds"),
    # The two characters for micro look alike: U+00B5 is the sign, U+03BC the Greek letter.
    "us": (
        *("us", "\u00b5s", "\u03bcs"),
        *("usec", "usecs", "micro", "micros", "microsecond", "microseconds"),
    ),
    "ns": ("ns", "nsec", "nsecs", "nano", "nanos", "nanosecond", "nanoseconds"),
}
_UNIT_BY_NAME: Final = {name: unit for unit, names in _NAMES.items() for name in names}
_NO_FIXED_LENGTH: Final = frozenset(
    {
        *("y", "yr", "yrs", "year", "years"),
        *("mo", "mos", "month", "months"),
    }
)
_ISO_DATE_UNITS: Final = {"Y": "years", "M": "months", "W": "w", "D": "d"}
_ISO_TIME_UNITS: Final = {"H": "h", "M": "m", "S": "s"}

_NUMBER: Final = re.compile(r"([0-9]{1,18})(?:[.,]([0-9]{1,9}))?")
_CLOCK: Final = re.compile(r"([0-9]{1,9}):([0-9]{2}):([0-9]{2}(?:[.,][0-9]{1,9})?)$")
_WORD: Final = re.compile(r"[^\W\d_]+")
_SPACE: Final = re.compile(r"\s*")
_SEPARATOR: Final = re.compile(r",?\s*")


class DurationError(ValueError):
    """A text is not a duration; the message says why and what to write instead."""


class _Part(NamedTuple):
    """A number and its unit; the fraction holds the digits after the point."""

    whole: int
    fraction: str
    unit: str


def parse_duration_ms(text: str) -> int:
    """Read a duration as milliseconds, rounded up so that it is never shorter than written.

    Raises:
        DurationError: the text is no duration, or one that is negative or too long.
    """
    body = text.strip()
    if not body:
        raise DurationError("an empty text is not a duration; write one such as 10s or PT10S")
    # A zero needs no unit: it is the same in all of them.
    if body == "0":
        return 0
    negative = body[0] == "-" or body.endswith("ago")
    body = body.removesuffix("ago").strip()
    if body[:1] in ("+", "-"):
        body = body[1:].lstrip()
    parts = list(_iso_parts(body) if body[:1] in ("P", "p") else _friendly_parts(body))
    total_ns = _add_up(parts)
    if negative and total_ns:
        raise DurationError("a duration cannot be negative; leave out the sign")
    if total_ns > DURATION_DAYS_MAX * _DAY_NS:
        raise DurationError(f"a duration cannot be longer than {DURATION_DAYS_MAX} days")
    return -(-total_ns // _NS_PER_MS)


def format_duration(milliseconds: int) -> str:
    """Write a duration in the friendly form, such as ``1h 30m``; nothing is ``0s``."""
    parts = []
    rest = milliseconds
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNIT_NS[unit] // _NS_PER_MS)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def _add_up(parts: list[_Part]) -> int:
    """Give the sum in nanoseconds; check the order of units and the place of the fraction."""
    total_ns = 0
    previous = -1
    for index, part in enumerate(parts):
        if part.unit not in _UNIT_NS:
            raise DurationError(f"{part.unit!r} is too large; use units of weeks or smaller")
        rank = _RANK[part.unit]
        if rank <= previous:
            raise DurationError("units go from large to small, each at most once, as in 1h 30m 5s")
        previous = rank
        unit_ns = _UNIT_NS[part.unit]
        total_ns += part.whole * unit_ns
        if part.fraction:
            if part.unit in ("w", "d") or index + 1 < len(parts):
                reason = "only the last unit can have a fraction, and weeks and days cannot"
                raise DurationError(reason)
            total_ns += int(part.fraction.ljust(9, "0")) * unit_ns // 1_000_000_000
    return total_ns


def _iso_parts(body: str) -> Iterator[_Part]:
    date, has_time, time = body[1:].upper().partition("T")
    if not (time if has_time else date):
        raise DurationError("a part of the ISO 8601 duration is missing; write one such as PT10S")
    yield from _iso_section(date, _ISO_DATE_UNITS)
    yield from _iso_section(time, _ISO_TIME_UNITS)


def _iso_section(text: str, units: dict[str, str]) -> Iterator[_Part]:
    position = 0
    while position < len(text):
        number = _NUMBER.match(text, position)
        designator = "" if number is None else text[number.end() : number.end() + 1]
        if number is None or designator not in units:
            raise DurationError(
                f"expected a number and one of {', '.join(units)} at {text[position:]!r} "
                "in the ISO 8601 duration; write one such as P1DT2H or PT10S"
            )
        yield _Part(int(number[1]), number[2] or "", units[designator])
        position = number.end() + 1


def _friendly_parts(body: str) -> Iterator[_Part]:
    position = 0
    while position < len(body):
        if clock := _CLOCK.match(body, position):
            yield from _clock_parts(clock)
            return
        number = _NUMBER.match(body, position)
        if number is None:
            raise DurationError(
                f"expected a number at {body[position:]!r}; write a duration such as 10s or PT10S"
            )
        word = _WORD.match(body, _skip(_SPACE, body, number.end()))
        if word is None:
            raise DurationError(
                f"expected a unit after {number[0]!r}; write {number[0]}ms or {number[0]}s"
            )
        yield _Part(int(number[1]), number[2] or "", _unit(word[0]))
        position = _skip(_SEPARATOR, body, word.end())


def _clock_parts(clock: re.Match[str]) -> Iterator[_Part]:
    """Read ``hours:minutes:seconds``, which can only stand at the end."""
    yield _Part(int(clock[1]), "", "h")
    yield _Part(int(clock[2]), "", "m")
    seconds, _, fraction = clock[3].replace(",", ".").partition(".")
    yield _Part(int(seconds), fraction, "s")


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return position if match is None else match.end()


def _unit(name: str) -> str:
    unit = _UNIT_BY_NAME.get(name)
    if unit is not None:
        return unit
    if name in _NO_FIXED_LENGTH:
        return name
    raise DurationError(f"{name!r} is not a unit; use w, d, h, m, s, ms, us or ns")
