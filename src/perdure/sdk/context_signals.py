"""What others tell an invocation while it runs: awakeables, signals and durable promises."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from perdure.protocol.messages import Outcome, Value
from perdure.sdk.attempt import Attempt
from perdure.sdk.context_base import ContextBase, chosen
from perdure.sdk.futures import DurableFuture
from perdure.sdk.outcomes import failure, value_of
from perdure.sdk.serde import Serde
from perdure.sdk.texts import check_text

T = TypeVar("T")


class Signals(ContextBase):
    """Awakeables and named signals."""

    __slots__ = ()

    def awakeable(
        self, serde: Serde[T] | None = None, type_hint: type[T] | None = None
    ) -> tuple[str, DurableFuture[T]]:
        """Create something that the outside completes: its id, and its value to be awaited.

        Args:
            serde: How to read the value; by its type if absent.
            type_hint: Type of the value; plain JSON if absent.
        """
        awakeable_id, handle = self._attempt.enter().awakeable()
        decode = chosen(serde, type_hint).deserialize
        return awakeable_id, DurableFuture(self._attempt.waits, handle, decode)

    def resolve_awakeable(self, name: str, value: T, serde: Serde[T] | None = None) -> None:
        """Complete an awakeable with a value.

        Args:
            name: The awakeable's id.
            value: The value.
            serde: How to write it; by its type if absent.
        """
        check_text("The id of an awakeable", name)
        self._attempt.enter().complete_awakeable(name, _value(value, serde))

    def reject_awakeable(self, name: str, failure_message: str, failure_code: int = 500) -> None:
        """Complete an awakeable with a failure, which its awaiter sees as a terminal error.

        Args:
            name: The awakeable's id.
            failure_message: The error's message.
            failure_code: The error's status code.
        """
        check_text("The id of an awakeable", name)
        outcome = failure(failure_code, failure_message)
        self._attempt.enter().complete_awakeable(name, outcome)

    def signal(
        self, name: str, serde: Serde[T] | None = None, type_hint: type[T] | None = None
    ) -> DurableFuture[T]:
        """Give the next signal of a name that is sent to this invocation.

        Signals of one name are given out in the order of their arrival, one for each call.

        Args:
            name: The signal's name.
            serde: How to read the value; by its type if absent.
            type_hint: Type of the value; plain JSON if absent.
        """
        check_text("The name of a signal", name)
        handle = self._attempt.enter().signal(name)
        return DurableFuture(self._attempt.waits, handle, chosen(serde, type_hint).deserialize)

    def resolve_signal(
        self, invocation_id: str, name: str, value: T, serde: Serde[T] | None = None
    ) -> None:
        """Send a signal with a value to an invocation.

        Args:
            invocation_id: The invocation's id.
            name: The signal's name.
            value: The value.
            serde: How to write it; by its type if absent.
        """
        _check_signal(invocation_id, name)
        self._attempt.enter().send_signal(invocation_id, name, _value(value, serde))

    def reject_signal(
        self, invocation_id: str, name: str, failure_message: str, failure_code: int = 500
    ) -> None:
        """Send a signal with a failure to an invocation, which sees it as a terminal error.

        Args:
            invocation_id: The invocation's id.
            name: The signal's name.
            failure_message: The error's message.
            failure_code: The error's status code.
        """
        _check_signal(invocation_id, name)
        outcome = failure(failure_code, failure_message)
        self._attempt.enter().send_signal(invocation_id, name, outcome)


class DurablePromise(Generic[T]):
    """A value of a workflow that is set once, by any of its handlers, and read by all.

    Args:
        attempt: The attempt that uses it.
        name: The promise's name.
        serde: How to read and write its value; by the value's type if absent.
        decode: Reads the value.
    """

    __slots__ = ("_attempt", "_decode", "name", "serde")

    def __init__(
        self,
        attempt: Attempt,
        name: str,
        serde: Serde[T] | None,
        decode: Callable[[bytes], Any],
    ) -> None:
        self._attempt = attempt
        self._decode = decode
        self.name = name
        self.serde = serde

    def value(self) -> DurableFuture[T]:
        """Wait for the value."""
        handle = self._attempt.enter().get_promise(self.name)
        return DurableFuture(self._attempt.waits, handle, self._decode)

    def __await__(self) -> Generator[Any, None, T]:
        return self.value().__await__()

    def peek(self) -> DurableFuture[T | None]:
        """Give the value if there is one, and None if there is none yet."""
        handle = self._attempt.enter().peek_promise(self.name)
        return DurableFuture(self._attempt.waits, handle, self._decode)

    def resolve(self, value: T) -> DurableFuture[None]:
        """Set the value; awaiting that raises a terminal error if it was set before."""
        return self._complete(_value(value, self.serde))

    def reject(self, message: str, code: int = 500) -> DurableFuture[None]:
        """Set a failure, which those who wait see as a terminal error."""
        return self._complete(failure(code, message))

    def _complete(self, outcome: Outcome) -> DurableFuture[None]:
        handle = self._attempt.enter().complete_promise(self.name, outcome)
        return DurableFuture(self._attempt.waits, handle)


class Promises(ContextBase):
    """Durable promises of a workflow."""

    __slots__ = ()

    def promise(
        self, name: str, serde: Serde[T] | None = None, type_hint: type[T] | None = None
    ) -> DurablePromise[T]:
        """Give a promise of this workflow by its name.

        Args:
            name: The promise's name.
            serde: How to read and write its value; by its type if absent.
            type_hint: Type of the value; plain JSON if absent.
        """
        check_text("The name of a promise", name)
        own = chosen(serde, type_hint)
        # Without a serde or type, the value is written by the type it has.
        undecided = own is chosen(None, None) and type_hint is None
        return DurablePromise(self._attempt, name, None if undecided else own, own.deserialize)


def _check_signal(invocation_id: str, name: str) -> None:
    check_text("The id of an invocation", invocation_id)
    check_text("The name of a signal", name)


def _value(value: Any, serde: Serde[Any] | None) -> Value:
    return value_of(chosen(serde, type(value)).serialize, value)
