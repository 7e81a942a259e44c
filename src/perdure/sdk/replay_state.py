"""Whether the code that runs now repeats what an earlier attempt has done already."""

from __future__ import annotations

from perdure.sdk.context import current_context


def is_replaying() -> bool:
    """Tell whether this code runs in a handler that repeats its journal."""
    context = current_context()
    # Not for handlers to ask, which would then do something else in replay.
    return context is not None and context._attempt.machine.is_replaying()  # noqa: SLF001


class ReplayingVariable:
    """Tells whether this code runs in a handler that repeats its journal, as a variable does."""

    def get(self, _default: bool = False, /) -> bool:
        """Tell it; False outside of handlers."""
        return is_replaying()
