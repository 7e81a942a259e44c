"""Messages on the wire: values to frames and back (service protocol, sections 3 and 4).

What differs between the versions of the protocol is decided here and in the modules below, and
nowhere else. Fields that are not known are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, Final

from google.protobuf.message import DecodeError

from perdure.protocol import messages
from perdure.protocol.framing import FLAG_ACK, Frame, Payload, WireError, frame, frame_header
from perdure.protocol.messages import Completion, CompletionKind, Message, Value
from perdure.protocol.schema import CLASSES
from perdure.protocol.versions import VERSION_FUTURE_TREES
from perdure.protocol.wire_messages import (
    TABLE,
    Read,
    Write,
    read_completion,
    read_signal_notification,
    write_completion,
    write_signal_notification,
)
from perdure.protocol.wire_plain import (
    read_input,
    read_output,
    varint,
    write_input,
    write_output,
    write_sleep,
    write_start,
    write_void_completion,
)
from perdure.protocol.wire_trees import TooDeepTreeError
from perdure.protocol.wire_values import MissingPartError

#: Messages that come again and again, as every invocation of a handler says the same: these are
#: remembered. So many of them, and of those that arrive none that is longer.
_REMEMBERED_MAX: Final = 1024
_REMEMBERED_BYTES_MAX: Final = 64
#: Suspensions that are remembered wait for no more than that.
_LEAVES_MAX: Final = 8
#: Values from this length on are not copied to be sent.
LONG_BYTES: Final = 256 * 1024

Serialize = Callable[[Any, int], bytes]


class UnknownMessageError(WireError):
    """The peer sent a message whose type the protocol does not have."""


class MalformedMessageError(WireError):
    """The peer sent a message whose fields cannot be read, or lack what they must have."""


class TooDeepMessageError(MalformedMessageError):
    """The peer waits for a tree of futures that is too deep, or too large, to be read."""


class UnencodableMessageError(ValueError):
    """A message holds what cannot travel: a number out of range, text that is not Unicode."""


def encode(message: Message, version: int) -> bytes:
    """Give the frame of a message.

    Args:
        message: What to send.
        version: The service protocol's version that the invocation runs with.

    Raises:
        UnencodableMessageError: a field holds what cannot travel.
    """
    return _FRAMES.get(type(message), _encode)(message, version)


def encode_pieces(sent: Iterable[Message], version: int) -> list[bytes]:
    """Give the frames of messages in pieces; a long value is one of them, and is not copied.

    Args:
        sent: What to send.
        version: The service protocol's version that the invocation runs with.

    Raises:
        UnencodableMessageError: a field holds what cannot travel.
    """
    pieces: list[bytes] = []
    for message in sent:
        kind = type(message)
        value_of = _VALUES.get(kind)
        value = None if value_of is None else value_of(message)
        if type(value) is Value and len(value.content) >= LONG_BYTES:
            pieces += _long_pieces(message, version, value.content)
        else:
            pieces.append(_FRAMES.get(kind, _encode)(message, version))
    return pieces


def _long_pieces(message: Message, version: int, content: bytes) -> tuple[bytes, ...]:
    """Give a frame up to the content of its value, and the content."""
    kind, _ = _ENCODERS[type(message)]
    number = _VALUE_FIELDS[type(message)]
    value = _tagged(_CONTENT, len(content))
    try:
        # Fields may stand in any order, so that the value can be the last one.
        before = _WITHOUT_VALUES[type(message)](message, version)
    except (ValueError, TypeError) as error:
        raise _unencodable(message, error) from error
    before += _tagged(number, len(value) + len(content)) + value
    kind = message.kind if isinstance(message, Completion) else kind
    return frame_header(kind, 0, len(before) + len(content)) + before, content


def _encode(message: Message, version: int) -> bytes:
    kind, serialize = _ENCODERS[type(message)]
    try:
        payload = serialize(message, version)
    except (ValueError, TypeError) as error:
        raise _unencodable(message, error) from error
    flags = 0
    if type(message) is Completion:
        kind = message.kind
    elif type(message) is messages.ProposeRunCompletion and message.ack:
        flags = FLAG_ACK if version >= VERSION_FUTURE_TREES else 0
    return frame(kind, flags, payload)


def _unencodable(message: Message, error: Exception) -> UnencodableMessageError:
    what = f"{type(message).__name__} cannot be sent: {error}"
    if not isinstance(error, TooDeepTreeError):
        what += "; numbers must not be negative, and text must be valid Unicode"
    return UnencodableMessageError(what)


def _by_library(make: Any, write: Write, *, but: str | None = None) -> Serialize:
    """Make a function that writes messages of one kind, perhaps without one of their fields."""

    def serialize(message: Message, version: int) -> bytes:
        fields = write(message, version)
        if but is not None:
            del fields[but]
        payload: bytes = make(**fields).SerializeToString()
        return payload

    return serialize


def _plainly(cls: type[Message], write: Callable[[Any, int], bytes | None]) -> Serialize:
    """Make a function that gives frames of one kind, without the library where that can be."""
    kind = _type_of(cls)

    def encode_plainly(message: Message, version: int) -> bytes:
        try:
            payload = write(message, version)
        except (ValueError, TypeError) as error:
            raise _unencodable(message, error) from error
        if payload is None:
            return _encode(message, version)
        return frame_header(kind, 0, len(payload)) + payload

    return encode_plainly


def _encode_output(message: messages.Output, version: int) -> bytes:
    if message == _NOTHING:
        return _encode_remembered(message, version)
    return _encode_plain_output(message, version)


def _encode_completion(message: Completion, version: int) -> bytes:
    payload = write_void_completion(message)
    if payload is None:
        return _encode(message, version)
    return frame_header(message.kind, 0, len(payload)) + payload


def _encode_run(message: messages.Run, version: int) -> bytes:
    if len(message.name) > _REMEMBERED_BYTES_MAX:
        return _encode(message, version)
    return _encode_remembered(message, version)


def _encode_suspension(message: messages.Suspension, version: int) -> bytes:
    future = message.awaiting_on
    if future.nested or future.named_signals:
        return _encode(message, version)
    # A handler may well wait for very many things.
    if len(future.completions) + len(future.signals) > _LEAVES_MAX:
        return _encode(message, version)
    return _encode_remembered(message, version)


def _encode_awaiting(message: messages.AwaitingOn, version: int) -> bytes:
    for child in message.awaiting_on.nested:
        if child.nested:  # a tree that may be too deep to be compared by recursion
            return _encode(message, version)
    return _encode_remembered(message, version)


def decode(kind: int, flags: int, payload: Payload, version: int) -> Message:
    """Give the message in a frame.

    Args:
        kind: The frame's type.
        flags: The frame's flags.
        payload: The encoded fields.
        version: The service protocol's version that the invocation runs with.

    Raises:
        UnknownMessageError: there is no such type.
        MalformedMessageError: the fields are not those of this type.
        TooDeepMessageError: they hold a tree of futures that is too deep, or too large, to be read.
    """
    if kind in _REPETITIVE_KINDS and len(payload) <= _REMEMBERED_BYTES_MAX:
        return _decode_remembered(kind, payload, version)
    message = _decode(kind, payload, version)
    if flags & FLAG_ACK and version >= VERSION_FUTURE_TREES:
        return _asking_for_ack(message)
    return message


def decode_all(frames: Iterable[Frame], version: int) -> list[Message]:
    """Give the messages in frames, as :func:`decode` does.

    Args:
        frames: The frames, in order.
        version: The service protocol's version that the invocation runs with.

    Raises:
        WireError: one of them holds no message.
    """
    decoded = []
    for kind, flags, payload in frames:
        if flags:
            message = decode(kind, flags, payload, version)
        elif kind in _REPETITIVE_KINDS and len(payload) <= _REMEMBERED_BYTES_MAX:
            message = _decode_remembered(kind, payload, version)
        else:
            message = _decode(kind, payload, version)
        decoded.append(message)
    return decoded


def _decode(kind: int, payload: Payload, version: int) -> Message:
    known = _DECODERS.get(kind)
    if known is None:
        raise UnknownMessageError(
            f"a message of type {kind:#06x} came, which version {version} of the service protocol "
            "does not have; both sides must speak the version that they agreed on"
        )
    parse, read, read_plainly = known
    try:
        plain = None if read_plainly is None else read_plainly(payload)
        return read(parse(payload), version) if plain is None else plain
    except TooDeepTreeError as error:
        raise TooDeepMessageError(
            f"the handler waits for a future that is too deep: {error}, then resume"
        ) from error
    except (DecodeError, MissingPartError) as error:
        raise MalformedMessageError(
            f"a message of type {kind:#06x} cannot be read: {error}"
        ) from error


_encode_remembered: Final = lru_cache(_REMEMBERED_MAX)(_encode)
_decode_remembered: Final = lru_cache(_REMEMBERED_MAX)(_decode)


def _asking_for_ack(message: Message) -> Message:
    if type(message) is not messages.ProposeRunCompletion:
        return message  # Commands are answered or not, as their kind demands.
    return messages.ProposeRunCompletion(message.result_completion_id, message.result, ack=True)


def _tagged(number: int, size: int) -> bytes:
    """Write what stands before so many bytes of a field of this number."""
    return varint(number << 3 | _BYTES) + varint(size)


def _type_of(cls: type[Message]) -> int:
    tag = cls.__struct_config__.tag
    assert isinstance(tag, int)
    return tag


_PLAIN_READERS: Final[dict[type[Message], Callable[[Payload], Message | None]]] = {
    messages.Input: read_input,
    messages.Output: read_output,
}
_NOTIFICATION: Final = CLASSES["Notification"]

_WRITERS: Final[dict[type[Message], tuple[int, Any, Write]]] = {
    cls: (_type_of(cls), CLASSES[cls.__name__], write) for cls, (write, _) in TABLE.items()
} | {
    Completion: (0, _NOTIFICATION, write_completion),
    messages.Signal: (_type_of(messages.Signal), _NOTIFICATION, write_signal_notification),
}
_ENCODERS: Final[dict[type[Message], tuple[int, Serialize]]] = {
    cls: (kind, _by_library(make, write)) for cls, (kind, make, write) in _WRITERS.items()
}

#: How messages are read: by the library's parser and a reader, unless the third can read them.
_DECODERS: Final[dict[int, tuple[Any, Read, Callable[[Payload], Message | None] | None]]] = {
    **{
        _type_of(cls): (CLASSES[cls.__name__].FromString, read, _PLAIN_READERS.get(cls))
        for cls, (_, read) in TABLE.items()
    },
    **{
        int(kind): (_NOTIFICATION.FromString, partial(read_completion, kind), None)
        for kind in CompletionKind
    },
    _type_of(messages.Signal): (_NOTIFICATION.FromString, read_signal_notification, None),
}

#: What gives the value that may be long, by the kind of message, and the number of its field.
_VALUES: Final[dict[type[Message], Callable[[Any], messages.Result]]] = {
    messages.Input: attrgetter("value"),
    messages.Output: attrgetter("result"),
    Completion: attrgetter("result"),
}
_VALUE_FIELDS: Final = {messages.Input: 14, messages.Output: 14, Completion: 5}
_WITHOUT_VALUES: Final[dict[type[Message], Serialize]] = {
    cls: _by_library(make, write, but="value")
    for cls, (_, make, write) in _WRITERS.items()
    if cls in _VALUES
}
#: Number of the bytes in a value, and how protobuf marks a field of bytes.
_CONTENT: Final = 1
_BYTES: Final = 2

#: What handlers give that return nothing.
_NOTHING: Final = messages.Output(Value(b""))
_encode_plain_output: Final = _plainly(messages.Output, write_output)
#: Who makes the frames of a kind, unless it is the library each time.
_FRAMES: Final[dict[type[Message], Serialize]] = {
    messages.Start: _plainly(messages.Start, write_start),
    messages.Input: _plainly(messages.Input, write_input),
    messages.Sleep: _plainly(messages.Sleep, write_sleep),
    messages.Output: _encode_output,
    # Those that hold nothing of the invocation but numbers, if anything, come again and again.
    messages.End: _encode_remembered,
    messages.CommandAck: _encode_remembered,
    messages.ProposeRunCompletionAck: _encode_remembered,
    messages.AwaitingOn: _encode_awaiting,
    messages.Run: _encode_run,
    messages.Suspension: _encode_suspension,
    Completion: _encode_completion,
}
#: On arrival runs and suspensions are known to be short; and so are the ends of sleeps.
_REPETITIVE_KINDS: Final = {
    _type_of(messages.End),
    _type_of(messages.CommandAck),
    _type_of(messages.AwaitingOn),
    _type_of(messages.ProposeRunCompletionAck),
    _type_of(messages.Run),
    _type_of(messages.Suspension),
    int(CompletionKind.SLEEP),
}
