"""State of an object or workflow: values by name, kept between invocations of the same key."""

from __future__ import annotations

from typing import Any, TypeVar

from perdure.protocol.messages import Result
from perdure.sdk.context_base import ContextBase, chosen
from perdure.sdk.futures import DurableFuture
from perdure.sdk.machine.handles import Handle
from perdure.sdk.outcomes import written
from perdure.sdk.serde import Serde
from perdure.sdk.texts import check_text

T = TypeVar("T")


class ReadableState(ContextBase):
    """State that a handler may read."""

    __slots__ = ()

    def key(self) -> str:
        """Give the key of this object or workflow."""
        return self._attempt.machine.start.key

    def get(
        self,
        name: str,
        serde: Serde[T] | None = None,
        type_hint: type[T] | None = None,
        entry_name: str | None = None,
    ) -> DurableFuture[T | None]:
        """Read a value; None if there is none.

        Args:
            name: The value's name.
            serde: How to read it; by its type if absent.
            type_hint: Its type; plain JSON if absent.
            entry_name: Name of the journal entry.
        """
        decode = chosen(serde, type_hint).deserialize
        handle, known = self._attempt.enter().get_state(_key(name), entry_name or "")
        return self._answer(handle, known, decode)

    def state_keys(self, entry_name: str | None = None) -> DurableFuture[list[str]]:
        """List the names of all values.

        Args:
            entry_name: Name of the journal entry.
        """
        handle, known = self._attempt.enter().get_state_keys(entry_name or "")
        return self._answer(handle, known, None)

    def _answer(self, handle: Handle, known: Result | None, decode: Any) -> DurableFuture[Any]:
        future: DurableFuture[Any] = DurableFuture(self._attempt.waits, handle, decode)
        if known is not None:
            self._attempt.waits.settle(handle, known)
        return future


class WritableState(ReadableState):
    """State that a handler may change."""

    __slots__ = ()

    def set(
        self, name: str, value: T, serde: Serde[T] | None = None, entry_name: str | None = None
    ) -> None:
        """Write a value.

        Args:
            name: The value's name.
            value: The value.
            serde: How to write it; by its type if absent.
            entry_name: Name of the journal entry.
        """
        content = written(chosen(serde, type(value)).serialize, value)
        self._attempt.enter().set_state(_key(name), content, entry_name or "")

    def clear(self, name: str, entry_name: str | None = None) -> None:
        """Remove a value.

        Args:
            name: The value's name.
            entry_name: Name of the journal entry.
        """
        self._attempt.enter().clear_state(_key(name), entry_name or "")

    def clear_all(self, entry_name: str | None = None) -> None:
        """Remove all values.

        Args:
            entry_name: Name of the journal entry.
        """
        self._attempt.enter().clear_all_state(entry_name or "")


def _key(name: str) -> bytes:
    """Give the name of a value as the journal has it.

    Raises:
        ContextMisuseError: it is no text.
    """
    try:
        return name.encode()
    except AttributeError:
        check_text("The name of a value", name)
        raise
