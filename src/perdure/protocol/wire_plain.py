"""Messages on the wire, as they mostly are, without an object for each of their parts.

These are what each attempt has, and the protobuf library takes its time to put them together and to
take them apart. What is out of the ordinary is left to it: the functions here give None then.
Headers are mostly those of the request before, and remembered.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from google.protobuf.message import DecodeError

from perdure.protocol.framing import Payload
from perdure.protocol.ids import random_seed
from perdure.protocol.messages import Completion, Input, Output, Sleep, Start, Value, Void
from perdure.protocol.schema import CLASSES
from perdure.protocol.versions import VERSION_FAILURE_METADATA

#: Headers that are remembered: so many, and none that is longer.
_REMEMBERED_MAX: Final = 1024
_REMEMBERED_BYTES_MAX: Final = 64
#: From here on what the library does besides counts for little.
_LONG_BYTES: Final = 4096
#: Numbers from here on take more than one byte.
_SMALL: Final = 0x80
_SMALL_NUMBERS: Final = tuple(bytes((number,)) for number in range(_SMALL))
#: Seven bits of a number that goes on.
_MORE: Final = tuple(bytes((number | _SMALL,)) for number in range(_SMALL))
#: Numbers from here on take more than 32 or 64 bits.
_UINT32_END: Final = 1 << 32
_UINT64_END: Final = 1 << 64
#: How fields of bytes begin: a header, a value, and what the value holds.
_HEADER: Final = b"\x0a"
_VALUE: Final = b"\x72"
_CONTENT: Final = b"\x0a"
#: A value of no bytes, as handlers give that return nothing.
_EMPTY: Final = b"\x72\x00"

_PAIR: Final = CLASSES["Pair"]
_START: Final = CLASSES["Start"]
#: Length of an invocation's id, and of its text.
_ID_BYTES: Final = 24
_ID_TEXT_BYTES: Final = 38
#: Seeds that are remembered, as they were written: one for each invocation.
_SEEDS_MAX: Final = 16_384


def varint(number: int) -> bytes:
    """Write a number as protobuf does."""
    if number < _SMALL:
        return _SMALL_NUMBERS[number]
    low = number & 0x3FFF
    if low == number:
        return _MORE[low & 0x7F] + _SMALL_NUMBERS[low >> 7]
    return _MORE[low & 0x7F] + _MORE[low >> 7] + _higher_varint(number >> 14)


#: Moments and lengths of time that come one after the other differ in their low bits only.
_higher_varint: Final = lru_cache(_REMEMBERED_MAX)(varint)


def write_start(message: Start, version: int) -> bytes | None:
    """Write the start of an attempt that is no retry and brings no state, under a usual id."""
    if message.state_map or message.retry_count_since_last_stored_entry or _is_marked(message):
        return None
    identity, text = message.id, message.debug_id.encode()
    if len(identity) != _ID_BYTES or len(text) != _ID_TEXT_BYTES:
        return None
    known, silent_ms = message.known_entries, message.duration_since_last_stored_entry
    if not (0 < known < _UINT32_END and 0 <= silent_ms < _UINT64_END):
        return None
    written = b"\x0a\x18%b\x12\x26%b\x18%b" % (identity, text, varint(known))
    if message.partial_state:
        written += b"\x28\x01"
    if message.key:
        key = message.key.encode()
        written += b"\x32" + varint(len(key)) + key
    if silent_ms:
        written += b"\x40" + varint(silent_ms)
    if version < VERSION_FAILURE_METADATA:
        return written
    seed = message.random_seed
    return written + (_derived_seed(identity) if seed is None else _written_seed(seed))


def _is_marked(message: Start) -> bool:
    """Tell whether a start names what few invocations have."""
    return not (message.idempotency_key is message.scope is message.limit_key is None)


def _written_seed(seed: int) -> bytes:
    """Write a seed: it has many digits, which the library is quicker with."""
    written: bytes = _START(random_seed=seed).SerializeToString()
    return written


@lru_cache(_SEEDS_MAX)
def _derived_seed(invocation_id: bytes) -> bytes:
    """Write the seed that follows from an id: each attempt of an invocation is told it."""
    # It is remembered here, and need not be once more as a number.
    return _written_seed(random_seed.__wrapped__(invocation_id))


def write_sleep(message: Sleep, _version: int) -> bytes | None:
    """Write a sleep without a name, one of the first of its invocation."""
    until, completion_id = message.wake_up_time, message.result_completion_id
    if message.name or not (0 < until < _UINT64_END and 0 < completion_id < _SMALL):
        return None
    return b"\x08%b\x58%c" % (varint(until), completion_id)


def write_void_completion(message: Completion) -> bytes | None:
    """Write the completion of one of the first commands of its invocation, which brings nothing."""
    # Struct classes have a metaclass, which makes an isinstance that fails slow.
    if type(message.result) is not Void or not 0 < message.completion_id < _SMALL:
        return None
    return b"\x08%c\x22\x00" % message.completion_id


def write_input(message: Input, _version: int) -> bytes | None:
    """Write an input without a name."""
    if message.name:
        return None
    headers = b""
    for header in message.headers:
        headers += _known_headers.get(header) or _written_header(header)
    return headers + _written_value(message.value.content)


def write_output(message: Output, _version: int) -> bytes | None:
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


#: Headers that were written, by name and value. A cache of functools makes a key first, of what is
#: one already: that takes as long again.
_known_headers: Final[dict[tuple[str, str], bytes]] = {}


def _written_header(header: tuple[str, str]) -> bytes:
    """Write a header, and remember a short one."""
    key, value = header
    pair: bytes = _PAIR(key=key, value=value).SerializeToString()
    written = _HEADER + varint(len(pair)) + pair
    if len(key) + len(value) <= _REMEMBERED_BYTES_MAX:
        if len(_known_headers) >= _REMEMBERED_MAX:
            _known_headers.clear()
        _known_headers[header] = written
    return written


@lru_cache(_REMEMBERED_MAX)
def _read_header(pair: bytes) -> tuple[str, str]:
    header = _PAIR.FromString(pair)
    return header.key, header.value


def _written_value(content: bytes) -> bytes:
    size = len(content)
    if 0 < size < _SMALL - 2:  # as it mostly is
        return b"\x72%c\x0a%c%b" % (size + 2, size, content)
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
