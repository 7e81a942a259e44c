"""Messages on the wire: values to frames and back (service protocol, sections 3 and 4).

What differs between the versions of the protocol is decided here and in the modules below, and
nowhere else. Fields that are not known are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
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
    # Struct classes have a metaclass, which makes an isinstance that fails slow.
    if type(message) is Completion:
        remembered = type(message.result) is messages.Void
    elif type(message) is messages.Output:
        remembered = message == _NOTHING
    elif type(message) is messages.Run:
        remembered = len(message.name) <= _REMEMBERED_BYTES_MAX
    elif type(message) is messages.Suspension:
        remembered = _is_short(message.awaiting_on)
    else:
        remembered = type(message) in _REPETITIVE and not _nests(message)
    return _encode_remembered(message, version) if remembered else _encode(message, version)


def encode_pieces(sent: Iterable[Message], version: int) -> list[bytes]:
    """Give the frames of messages in pieces; a long value is one of them, and is not copied.

    Args:
        sent: What to send.
        version: The service protocol's version that the invocation runs with.

    Raises:
        UnencodableMessageError: a field holds what cannot travel.
    """
    pieces = []
    for message in sent:
        place = _LONG_VALUES.get(type(message))
        value = None if place is None else getattr(message, place[0])
        if place is None or type(value) is not Value or len(value.content) < LONG_BYTES:
            pieces.append(encode(message, version))
        else:
            pieces += _long_pieces(message, version, place[1], value.content)
    return pieces


def _long_pieces(message: Message, version: int, number: int, content: bytes) -> tuple[bytes, ...]:
    """Give a frame up to the content of its value, the field of this number, and the content."""
    kind, _ = _ENCODERS[type(message)]
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


def _serializer(cls: type[Message], make: Any, write: Write) -> Serialize:
    """Make a function that writes messages of one kind, without the library where that can be."""
    by_library, plainly = _by_library(make, write), _PLAIN_WRITERS.get(cls)
    if plainly is None:
        return by_library
    return lambda message, version: plainly(message) or by_library(message, version)


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


def _nests(message: Message) -> bool:
    """Tell whether a message holds a tree that is too deep to be compared by recursion."""
    if type(message) is messages.AwaitingOn:
        for child in message.awaiting_on.nested:
            if child.nested:
                return True
    return False


def _is_short(future: messages.Future) -> bool:
    """Tell whether few things are waited for; a handler may well wait for very many."""
    if future.nested or future.named_signals:
        return False
    return len(future.completions) + len(future.signals) <= _LEAVES_MAX


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


_PLAIN_WRITERS: Final[dict[type[Message], Callable[[Any], bytes | None]]] = {
    messages.Input: write_input,
    messages.Output: write_output,
}
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
    cls: (kind, _serializer(cls, make, write)) for cls, (kind, make, write) in _WRITERS.items()
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

#: Messages whose value may be long, the value's attribute, and the number of its field.
_LONG_VALUES: Final[dict[type[Message], tuple[str, int]]] = {
    messages.Input: ("value", 14),
    messages.Output: ("result", 14),
    Completion: ("result", 5),
}
_WITHOUT_VALUES: Final[dict[type[Message], Serialize]] = {
    cls: _by_library(make, write, but="value")
    for cls, (_, make, write) in _WRITERS.items()
    if cls in _LONG_VALUES
}
#: Number of the bytes in a value, and how protobuf marks a field of bytes.
_CONTENT: Final = 1
_BYTES: Final = 2

#: What handlers give that return nothing.
_NOTHING: Final = messages.Output(Value(b""))
#: Small ones that hold nothing of the invocation but numbers.
_REPETITIVE: Final[frozenset[type[Message]]] = frozenset(
    {
        messages.End,
        messages.CommandAck,
        messages.AwaitingOn,
        messages.ProposeRunCompletionAck,
    }
)
#: On arrival runs and suspensions, too, which are known to be short then; and the ends of sleeps.
_REPETITIVE_KINDS: Final = frozenset({_type_of(cls) for cls in _REPETITIVE}) | {
    _type_of(messages.Run),
    _type_of(messages.Suspension),
    int(CompletionKind.SLEEP),
}
