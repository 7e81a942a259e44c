"""What journals hold of an application's values, transformed on the way there: sealed or packed."""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

import msgspec

from perdure.protocol.messages import (
    Call,
    CompleteAwakeable,
    CompletePromise,
    Completion,
    GetEagerState,
    Input,
    Message,
    OneWayCall,
    Output,
    ProposeRunCompletion,
    SendSignal,
    SetState,
    Signal,
    Start,
    Value,
)
from perdure.sdk.errors import DefinitionError

M = TypeVar("M", bound=Message)


class JournalValueCodec(ABC):
    """Transforms values between their serde and the journal, such as by encryption.

    It sees the inputs and results of handlers, steps, calls, awakeables, promises and signals, and
    the values of state; never failures, keys or names. Whoever calls handlers from outside has to
    use the same codec: ``create_client(journal_value_codec=...)`` does.
    """

    @abstractmethod
    def encode(self, buf: bytes) -> bytes:
        """Give what the journal shall hold for a serialised value, which may be empty."""

    @abstractmethod
    async def decode(self, buf: bytes) -> bytes:
        """Give the serialised value for which the journal holds this.

        An error fails the attempt, which is tried again; for the input of an invocation that has
        done nothing yet it is final, with status 400.
        """


#: Makes the codec when it is first needed; what it made is kept.
JournalValueCodecProvider = Callable[[], Awaitable[JournalValueCodec]]


class CodecSource:
    """Where the codec of an application comes from.

    Args:
        codec: The codec, or what makes it.

    Raises:
        DefinitionError: it is neither.
    """

    def __init__(self, codec: JournalValueCodec | JournalValueCodecProvider) -> None:
        ready = isinstance(codec, JournalValueCodec)
        if not ready and (inspect.isclass(codec) or not callable(codec)):
            raise DefinitionError(
                "journal_value_codec is an instance of a JournalValueCodec, or an async function "
                f"that gives one, not {codec!r}"
            )
        self._codec = codec if isinstance(codec, JournalValueCodec) else None
        self._provider = cast("JournalValueCodecProvider", codec)
        self._making: asyncio.Future[JournalValueCodec] | None = None

    async def codec(self) -> JournalValueCodec:
        """Give the codec; if it cannot be made, whoever asks next tries again.

        Raises:
            DefinitionError: what the provider gave is none.
        """
        if self._codec is not None:
            return self._codec
        if self._making is None:
            self._making = asyncio.ensure_future(self._provider())
            self._making.add_done_callback(self._made)
        # Whoever loses patience must not take it from the others.
        codec = await asyncio.shield(self._making)
        if not isinstance(codec, JournalValueCodec):
            raise DefinitionError(f"the provider of the journal value codec gave {codec!r}")
        return codec

    def _made(self, making: asyncio.Future[JournalValueCodec]) -> None:
        self._making = None
        if not making.cancelled() and making.exception() is None:
            codec = making.result()
            self._codec = codec if isinstance(codec, JournalValueCodec) else None


#: The field of each message that holds a value, if it holds one: it may hold a failure instead.
_FIELDS: dict[type[Message], str] = {
    Input: "value",
    Output: "result",
    SetState: "value",
    GetEagerState: "result",
    CompletePromise: "completion",
    Call: "parameter",
    OneWayCall: "parameter",
    SendSignal: "result",
    CompleteAwakeable: "result",
    ProposeRunCompletion: "result",
    Completion: "result",
    Signal: "result",
}


def values_of(message: Message) -> list[bytes]:
    """Give the values of the application that a message holds."""
    if isinstance(message, Start):
        return [value for _, value in message.state_map]
    field = _FIELDS.get(type(message))
    held = None if field is None else getattr(message, field)
    if isinstance(held, Value):
        return [held.content]
    return [held] if isinstance(held, bytes) else []


def with_values(message: M, values: Sequence[bytes]) -> M:
    """Give a message that holds these values instead, in the order of :func:`values_of`."""
    if not values:
        return message
    if isinstance(message, Start):
        keys = (key for key, _ in message.state_map)
        return msgspec.structs.replace(message, state_map=tuple(zip(keys, values, strict=True)))
    field = _FIELDS[type(message)]
    (content,) = values
    replaced = Value(content) if isinstance(getattr(message, field), Value) else content
    return msgspec.structs.replace(message, **{field: replaced})
