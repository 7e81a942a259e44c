"""Headers that users add to the requests to services, and those that they cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
#: Headers that belong to the connection or to the protocol.
_RESERVED: Final = frozenset(
    {
        *("connection", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding"),
        *("upgrade", "content-length", "content-type", "accept"),
        *("x-restate-invocation-id", "x-restate-service-key"),
    }
)


def as_sent(headers: Mapping[str, str]) -> dict[str, str]:
    """Give headers as they travel: names in lower case, values without white space around them.

    That is no part of a value, and over HTTP/2 forbidden: some services drop the header, others
    the request.
    """
    return {name.lower(): value.strip(" \t") for name, value in headers.items()}


def header_fault(name: str, value: str) -> str | None:
    """Say why a header cannot be added to requests, without its value; None if it can.

    Args:
        name: in lower case.
        value: the text.
    """
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        return f"{name!r} is no header of HTTP, or its value is none"
    if name in _RESERVED:
        return f"the header {name!r} is set by this server"
    return None
