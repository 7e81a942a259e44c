"""What all contexts share: their attempt, the request, and the choice of serdes."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol
from uuid import UUID

from perdure.protocol.messages import Input
from perdure.sdk.attempt import Attempt
from perdure.sdk.hints import ResultHints
from perdure.sdk.serde import DefaultSerde, Serde, serde_for


class AttemptFinishedEvent(Protocol):
    """The end of an attempt, for whatever should not outlive it."""

    def is_set(self) -> bool:
        """Tell whether the attempt is over."""

    async def wait(self) -> None:
        """Wait until the attempt is over."""


@dataclass(frozen=True, slots=True)
class Request:
    """The request that an invocation answers."""

    #: The invocation's id.
    id: str
    #: Headers of the request.
    headers: dict[str, str]
    #: Headers with which the server has opened this attempt; none within one process.
    attempt_headers: dict[str, str]
    #: The input, as its bytes.
    body: bytes
    #: The end of this attempt.
    attempt_finished_event: AttemptFinishedEvent
    scope: str | None = None
    limit_key: str | None = None
    idempotency_key: str | None = None


_WRITING: Final = (
    ": only exclusive handlers of a virtual object, and the main handler of a workflow, write state"
)
_READING: Final = ": only virtual objects and workflows have a key and state"
_PROMISING: Final = ": only workflows have durable promises; an awakeable can be had everywhere"


class Elsewhere:
    """What the contexts of other handlers have under this name, and this one has not.

    (A ``__getattr__`` would say so too, and make each access to anything take twice as long.)

    Args:
        where: Which handlers have it.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, context: object, kind: type) -> NoReturn:
        name = self._name
        raise AttributeError(
            f"{kind.__name__!r} object has no attribute {name!r}{self._where}",
            name=name,
            obj=context,
        )


class AttemptRandom(Random):
    """Random numbers for a handler alone: what an action drew would be missing in a replay.

    Args:
        attempt: The attempt that runs the handler.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        super().__init__(attempt.machine.seed())

    def random(self) -> float:
        """Draw a number from 0 to 1; raises ``ContextMisuseError`` outside of the handler."""
        self._attempt.enter()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """Draw an integer of so many bits; raises ``ContextMisuseError`` as well."""
        self._attempt.enter()
        return super().getrandbits(k)


class ContextBase:
    """The invocation that a handler works for.

    Args:
        attempt: The attempt that runs the handler.
        request: The journal's first entry.
        hints: Looks up what actions return.
    """

    __slots__ = ("_attempt", "_hints", "_input", "_random")

    def __init__(self, attempt: Attempt, request: Input, hints: ResultHints) -> None:
        self._attempt = attempt
        self._input = request
        self._hints = hints
        self._random: Random | None = None

    if not TYPE_CHECKING:  # for which these names would exist
        get = Elsewhere(_READING)
        state_keys = Elsewhere(_READING)
        key = Elsewhere(_READING)
        set = Elsewhere(_WRITING)
        clear = Elsewhere(_WRITING)
        clear_all = Elsewhere(_WRITING)
        promise = Elsewhere(_PROMISING)

    def request(self) -> Request:
        """Give the request: its id, headers and body."""
        start = self._attempt.machine.start
        return Request(
            id=start.debug_id,
            headers=dict(self._input.headers),
            attempt_headers=dict(self._attempt.headers),
            body=self._input.value.content,
            attempt_finished_event=self._attempt.finished,
            scope=start.scope,
            limit_key=start.limit_key,
            idempotency_key=start.idempotency_key,
        )

    def random(self) -> Random:
        """Give random numbers that are the same in every attempt; not for secrets."""
        if self._random is None:
            self._random = AttemptRandom(self._attempt)
        return self._random

    def uuid(self) -> UUID:
        """Draw a UUID that is the same in every attempt, such as for an idempotency key."""
        return UUID(int=self.random().getrandbits(128), version=4)


def chosen(serde: Serde[Any] | None, hint: Any) -> Serde[Any]:
    """Give the serde that was asked for, or else the one for a type."""
    if serde is None or (isinstance(serde, DefaultSerde) and serde.type_hint is None):
        return serde_for(hint)
    return serde
