"""What an attempt knows of its object's state: what came with Start, and its own changes."""

from __future__ import annotations

from perdure.protocol.messages import VOID, Start, StateKeys, Value, Void


class StateView:
    """Keys and values as the handler sees them.

    A key that was cleared here stays as a tombstone: it is known to be absent, while a key that
    was never heard of may still exist at the server as long as the view is partial.
    """

    __slots__ = ("_partial", "_values")

    def __init__(self, start: Start) -> None:
        self._values: dict[bytes, bytes | None] = dict(start.state_map)
        self._partial = start.partial_state

    def get(self, key: bytes) -> Value | Void | None:
        """Give a value, Void if the key is known to be absent, None if only the server knows."""
        content = self._values.get(key)
        if content is not None:
            return Value(content)
        return None if self._partial and key not in self._values else VOID

    def keys(self) -> StateKeys | None:
        """Give all keys in ascending order, or None if only the server knows."""
        if self._partial:
            return None
        present = (key for key, content in self._values.items() if content is not None)
        return StateKeys(tuple(sorted(present)))

    def set(self, key: bytes, content: bytes) -> None:
        """Take note of a write."""
        self._values[key] = content

    def clear(self, key: bytes) -> None:
        """Take note of a removal."""
        self._values[key] = None

    def clear_all(self) -> None:
        """Take note that nothing is left: from now on the view is complete."""
        self._values.clear()
        self._partial = False
