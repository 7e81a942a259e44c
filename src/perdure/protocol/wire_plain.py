"""Inputs and outputs on the wire, as they mostly are, without an object for each of their parts.

Each attempt has one of either, and the protobuf library takes its time to put together and to take
apart what is nested. What is out of the ordinary is left to it: the functions here give None then.
Headers are mostly those of the request before, and remembered.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from google.protobuf.message import DecodeError

from perdure.protocol.framing import Payload
from perdure.protocol.messages import Input, Output, Value
from perdure.protocol.schema import CLASSES

#: Headers that are remembered: so many, and none that is longer.
_REMEMBERED_MAX: Final = 1024
_REMEMBERED_BYTES_MAX: Final = 64
#: From here on what the library does besides counts for little.
_LONG_BYTES: Final = 4096
#: Numbers from here on take more than one byte.
_SMALL: Final = 0x80
_SMALL_NUMBERS: Final = tuple(bytes((number,)) for number in range(_SMALL))
#: How fields of bytes begin: a header, a value, and what the value holds.
_HEADER: Final = b"\x0a"
_VALUE: Final = b"\x72"
_CONTENT: Final = b"\x0a"
#: A value of no bytes, as handlers give that return nothing.
_EMPTY: Final = b"\x72\x00"

_PAIR: Final = CLASSES["Pair"]


def varint(number: int) -> bytes:
    """Write a number as protobuf does."""
    if number < _SMALL:
        return _SMALL_NUMBERS[number]
    written = bytearray()
    while number >= _SMALL:
        written.append(number & 0x7F | _SMALL)
        number >>= 7
    written.append(number)
    return bytes(written)


def write_input(message: Input) -> bytes | None:
    """Write an input without a name."""
    if message.name:
        return None
    headers = b""
    for key, value in message.headers:
        short = len(key) + len(value) <= _REMEMBERED_BYTES_MAX
        headers += _remembered_header(key, value) if short else _written_header(key, value)
    return headers + _written_value(message.value.content)


def write_output(message: Output) -> bytes | None:
    """Write an output that is a value, without a name."""
    result = message.result
    return None if message.name or type(result) is not Value else _written_value(result.content)


def read_input(payload: Payload) -> Input | None:
    """Read an input with short headers and a value, without a name."""
    if len(payload) > _LONG_BYTES:
        return None
    headers = []
    at = 0
    try:
        while payload[at] == _HEADER[0]:
            end = at + 2 + payload[at + 1]
            if payload[at + 1] > _REMEMBERED_BYTES_MAX:
                return None
            headers.append(_read_header(payload[at + 2 : end]))
            at = end
    except (IndexError, DecodeError):
        return None
    content = _read_value(payload[at:])
    return None if content is None else Input(Value(content), tuple(headers))


def read_output(payload: Payload) -> Output | None:
    """Read an output that is a value, without a name."""
    content = None if len(payload) > _LONG_BYTES else _read_value(payload)
    return None if content is None else Output(Value(content))


def _written_header(key: str, value: str) -> bytes:
    pair: bytes = _PAIR(key=key, value=value).SerializeToString()
    return _HEADER + varint(len(pair)) + pair


_remembered_header: Final = lru_cache(_REMEMBERED_MAX)(_written_header)


@lru_cache(_REMEMBERED_MAX)
def _read_header(pair: bytes) -> tuple[str, str]:
    header = _PAIR.FromString(pair)
    return header.key, header.value


def _written_value(content: bytes) -> bytes:
    size = len(content)
    if 0 < size < _SMALL - 2:  # as it mostly is
        return _VALUE + _SMALL_NUMBERS[size + 2] + _CONTENT + _SMALL_NUMBERS[size] + content
    value = _CONTENT + varint(size) + content if content else b""
    return _VALUE + varint(len(value)) + value


def _read_value(written: Payload) -> bytes | None:
    """Read a value, if it is all there is."""
    if written == _EMPTY:
        return b""
    size = len(written)
    if size >= _SMALL + 4:
        content = bytes(written[6:])  # behind lengths of two bytes each
        return content if _written_value(content) == written else None
    if size < 5 or written[3] != size - 4 or written[1] != size - 2:
        return None
    return bytes(written[4:]) if written[0] == _VALUE[0] and written[2] == _CONTENT[0] else None
