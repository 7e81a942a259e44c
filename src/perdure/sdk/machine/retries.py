"""Retries of one run: when to try again, and when to take the failure as final.

Without a policy of its own a run is retried by the policy of its invocation, for as long as that
lasts. With one, the SDK asks the server for a delay each time, and gives up at the limits. There
is no jitter: the server's policy has it, and a run's retries are spread by their causes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunRetries:
    """Exponential backoff, and how often and how long to try; None is without limit."""

    max_attempts: int | None = None
    max_duration_ms: int | None = None
    initial_interval_ms: int = 50
    max_interval_ms: int = 10_000
    factor: float = 2.0

    def exhausted(self, failures: int, elapsed_ms: int) -> bool:
        """Tell whether so many failures, over so much time, are enough."""
        return (self.max_attempts is not None and failures >= self.max_attempts) or (
            self.max_duration_ms is not None and elapsed_ms >= self.max_duration_ms
        )

    def delay_ms(self, failures: int) -> int:
        """Give the delay after so many failures."""
        try:
            growth = float(self.factor) ** (failures - 1)
        except OverflowError:
            growth = sys.float_info.max
        return round(min(self.max_interval_ms, self.initial_interval_ms * growth))


@dataclass(frozen=True, slots=True)
class RunFailure:
    """How one execution of a run failed; ``retry_after_ms`` is what the error itself asks for."""

    code: int
    message: str
    stacktrace: str
    elapsed_ms: int
    retry_after_ms: int | None = None
