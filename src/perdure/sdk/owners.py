"""What an attempt's loop asks of its attempt, and what stands for that once it is over."""

from __future__ import annotations

from typing import Any, Final, Protocol

from perdure.sdk.timers import DurableTimer


class Owner(Protocol):
    """The attempt that a loop belongs to."""

    def progress(self) -> None:
        """Run the loop; called from a callback of the real loop when there is something to run."""

    def arm(self, timer: DurableTimer, seconds: float) -> None:
        """Make a timer durable that is due after so many seconds."""

    def hand_over_to(self, wanted: Any, waiter: Any) -> bool:
        """Hand over what a task is about to wait for, if that is the next result.

        Args:
            wanted: The durable future that it waits for.
            waiter: What it has stopped at.

        Returns:
            Whether the waiter is done, and nothing else was brought about.
        """


class _Nobody:
    """Stands for an attempt that is over."""

    def progress(self) -> None:
        """There is nothing to run any more."""

    def arm(self, _timer: DurableTimer, _seconds: float) -> None:
        """Nobody waits for the timer."""

    def hand_over_to(self, _wanted: Any, _waiter: Any) -> bool:
        """Nothing is left to hand over."""
        return False


NOBODY: Final = _Nobody()
