"""Points in time as text; inside they are milliseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The last millisecond that a date with four digits can tell; later ones are written as this one.
_LAST_MS: Final = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * 1000 + 999


def utc_text(milliseconds: int) -> str:
    """Write a point in time with nine digits of a second, such as ``…T20:28:55.473000000Z``."""
    return f"{_moment(milliseconds).isoformat(timespec='milliseconds')}000000Z"


def offset_text(milliseconds: int) -> str:
    """Write a point in time with three digits and an offset, such as ``…T20:28:55.473+00:00``."""
    return f"{_moment(milliseconds).isoformat(timespec='milliseconds')}+00:00"


def _moment(milliseconds: int) -> datetime:
    # Without a time zone, so that each form can write its own.
    moment = _EPOCH + timedelta(milliseconds=min(milliseconds, _LAST_MS))
    return moment.replace(tzinfo=None)
