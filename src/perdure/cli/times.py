"""Moments and spans as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

_SPANS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def parse_time(text: str) -> float:
    """Read a moment of the admin API, as seconds since the epoch."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def span(seconds: float) -> str:
    """Write a span in its two largest units, such as ``2h 5m`` or ``31 ms``.

    >>> span(7512.4)
    '2h 5m'
    """
    if seconds < 0:
        return "-" + span(-seconds)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms" if seconds < 0.9995 else "1s"
    if seconds < 10:
        return f"{seconds:.3g}s"
    left = math.floor(seconds)
    parts = []
    for unit, length in _SPANS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


class Times:
    """Writes moments in one of the formats that ``--time-format`` knows."""

    def __init__(self, time_format: str, now: float) -> None:
        self._format = time_format
        self._now = now

    def moment(self, text: str | None) -> str:
        """Write a moment; nothing if there is none."""
        if text is None:
            return ""
        if self._format == "rfc2822":
            return format_datetime(datetime.fromtimestamp(parse_time(text), UTC))
        if self._format == "iso8601":
            return text
        return datetime.fromtimestamp(parse_time(text), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def age(self, text: str | None) -> str:
        """Write how far from now a moment is: ``3m ago``, ``in 5s``."""
        if text is None:
            return ""
        if self._format != "human":
            return self.moment(text)
        distance = self._now - parse_time(text)
        return f"in {span(-distance)}" if distance < 0 else f"{span(distance)} ago"
