"""Values of settings: how their texts are read, and how they are written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from perdure.admin.secrets import REDACTED, redact
from perdure.core.model.durations import format_duration, parse_duration_ms
from perdure.core.model.retries import OnExhausted
from perdure.protocol.framing import PAYLOAD_BYTES_LIMIT
from perdure.protocol.trees import LEVELS_MAX
from perdure.transport.additional_headers import as_sent, header_fault

#: The least and the most that flow control of HTTP/2 lets be asked for.
_WINDOW_MIN: Final = 64 * 1024
_WINDOW_MAX: Final = 1024 * 1024 * 1024
#: Requests on one connection of HTTP/2: with more than that, another connection does better.
_STREAMS_MAX: Final = 10_000
#: Each is a process, and talks to all others.
PARTITIONS_MAX: Final = 64
#: What a query needs to begin with.
_MEMORY_MIN: Final = 1024 * 1024


#: What connections are looked after by; and what timers of every platform can count.
_PATIENCE_MIN_MS: Final = 100
_PATIENCE_MAX_MS: Final = 365 * 24 * 60 * 60 * 1000


class Address(NamedTuple):
    """Where a door listens."""

    host: str
    port: int


def parse_address(text: str) -> Address:
    """Read ``host:port``; an IPv6 host may stand in brackets."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError("write host:port, such as 127.0.0.1:8080 or [::1]:8080")
    host = match["host"] or match["bare"] or "0.0.0.0"  # noqa: S104 - asked for by ":port"
    return Address(host, int(match["port"]))


def parse_url(text: str) -> str:
    """Read where clients find a server: an URL of HTTP."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError("write an URL, such as https://ingress.example:8080")
    return parse_word(text)


def parse_path(text: str) -> Path:
    """Read the path of a file or folder; a tilde in front is the home of a user."""
    if not text:
        raise ValueError("write a path, such as ./perdure-data")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{error} Write the path without ~") from error


def parse_count(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("write a whole number from 1")
    return int(text)


def parse_attempts(text: str) -> int | None:
    """Read a number of attempts, or ``unlimited``."""
    if text.strip().lower() == "unlimited":
        return None
    try:
        return parse_count(text)
    except ValueError as error:
        raise ValueError(f"{error}, or unlimited") from None


def parse_ceiling(text: str) -> int | None:
    """Read the longest duration that services may ask for, or ``unlimited``."""
    return None if text.strip().lower() == "unlimited" else parse_duration_ms(text)


def parse_patience_ms(text: str) -> int:
    """Read how long peers may be silent, in milliseconds: without any time nobody can answer."""
    duration_ms = parse_duration_ms(text)
    if not _PATIENCE_MIN_MS <= duration_ms <= _PATIENCE_MAX_MS:
        raise ValueError("write a duration from 100ms to 365d")
    return duration_ms


def parse_grace_ms(text: str) -> int:
    """Read how long this server may take to leave, in milliseconds."""
    duration_ms = parse_duration_ms(text)
    if duration_ms > _PATIENCE_MAX_MS:
        raise ValueError("write a duration up to 365d")
    return duration_ms


def parse_factor(text: str) -> float:
    """Read the factor by which retry intervals grow."""
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1.0 <= factor <= 1000.0:
        raise ValueError("write a number from 1 to 1000")
    return factor


def parse_on_exhausted(text: str) -> OnExhausted:
    """Read what happens after the last attempt."""
    try:
        return OnExhausted[text.strip().upper()]
    except KeyError:
        raise ValueError("write pause or kill") from None


def parse_switch(text: str) -> bool:
    """Read ``true`` or ``false``."""
    if text not in ("true", "false"):
        raise ValueError("write true or false")
    return text == "true"


def parse_size(text: str) -> int:
    """Read a number of bytes, such as ``32 MiB``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("write a number of bytes, such as 32 MiB or 33554432")
    number, unit = match.groups()
    return round(float(number) * _UNITS[(unit or "b").lower()])


def parse_message_size(text: str) -> int:
    """Read how long a message may be."""
    size = parse_size(text)
    if not 1 <= size <= PAYLOAD_BYTES_LIMIT:
        raise ValueError("write at most 32 MiB, which the protocol's other half takes, too")
    return size


def parse_memory_size(text: str) -> int:
    """Read how much memory something may take."""
    size = parse_size(text)
    if size < _MEMORY_MIN:
        raise ValueError("write at least 1 MiB")
    return size


def parse_request_size(text: str) -> int:
    """Read how long the body of a request may be: it becomes one message."""
    size = parse_size(text)
    if not 1 <= size <= PAYLOAD_BYTES_LIMIT:
        raise ValueError("write at most 32 MiB, which is what one message of the protocol takes")
    return size


def parse_window(text: str) -> int:
    """Read the size of a window of HTTP/2."""
    size = parse_size(text)
    if not _WINDOW_MIN <= size <= _WINDOW_MAX:
        raise ValueError("write a size from 64 KiB to 1 GiB")
    return size


def parse_streams(text: str) -> int:
    """Read how many requests one connection of HTTP/2 may have under way."""
    streams = parse_count(text)
    if streams > _STREAMS_MAX:
        raise ValueError(f"write a whole number from 1 to {_STREAMS_MAX}")
    return streams


def parse_partitions(text: str) -> int:
    """Read how many partitions a server has."""
    partitions = parse_count(text)
    if partitions > PARTITIONS_MAX:
        raise ValueError(f"write a whole number from 1 to {PARTITIONS_MAX}")
    return partitions


def parse_levels(text: str) -> int:
    """Read how deep futures may nest."""
    levels = parse_count(text)
    if levels > LEVELS_MAX:
        raise ValueError(f"write a whole number from 1 to {LEVELS_MAX}")
    return levels


def parse_headers(text: str) -> Mapping[str, str]:
    """Read headers of requests, as an inline table of TOML; give them as they are sent."""
    try:
        given = tomllib.loads(f"headers = {text}")["headers"]
    except tomllib.TOMLDecodeError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise ValueError('write a table of names and texts, such as {x-tenant = "blue"}')
    headers = as_sent(given)
    for name, value in headers.items():
        fault = header_fault(name, value)
        if fault is not None:
            raise ValueError(fault)
        if value == REDACTED:
            raise ValueError(f"{REDACTED} stands for what is not shown: write the value of {name}")
    return headers


def parse_word(text: str) -> str:
    """Read printable text without spaces."""
    if not text or not text.isascii() or any(not "!" <= each <= "~" for each in text):
        raise ValueError("write letters, digits and signs, without spaces")
    return text


_ADDRESS: Final = re.compile(
    r"(?:\[(?P<host>[^\s/@\[\]]*:[^\s/@\[\]]*)\]|(?P<bare>[^\s/@\[\]]*)):(?P<port>[0-9]{1,5})"
)
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([kKMG]i?B|B)?")
_UNITS: Final = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}


def show_address(address: Address) -> str:
    """Write an address as it is read."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def show_attempts(attempts: int | None) -> str | int:
    """Write a number of attempts as it is read."""
    return "unlimited" if attempts is None else attempts


def show_ceiling(duration_ms: int | None) -> str:
    """Write the longest duration that services may ask for as it is read."""
    return "unlimited" if duration_ms is None else format_duration(duration_ms)


def show_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Write headers, without the values of secret ones."""
    return redact(headers)


def inline_table(values: Mapping[str, Any]) -> str:
    """Write a table of TOML in one line."""
    pairs = (
        f"{json.dumps(name)} = {json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in values.items()
    )
    return f"{{ {', '.join(pairs)} }}"
