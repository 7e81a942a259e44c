"""Latencies as a histogram that can be merged and sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping


class Histogram:
    """Counts of latencies in microseconds, each kept to three significant digits."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts or {})

    @classmethod
    def of_nanoseconds(cls, samples: Iterable[int]) -> Histogram:
        """Count latencies measured in nanoseconds."""
        return cls(Counter(rounded(sample // 1000) for sample in samples))

    @classmethod
    def merged(cls, parts: Iterable[Histogram]) -> Histogram:
        """Add up the counts of several histograms."""
        total: Counter[int] = Counter()
        for part in parts:
            total.update(part.counts)
        return cls(total)

    def quantile_ms(self, share: float) -> float:
        """Give the smallest latency, in milliseconds, that ``share`` (0 to 1) do not exceed.

        Raises:
            ValueError: nothing was counted.
        """
        if not self.counts:
            raise ValueError("no latency was measured; measure for longer")
        wanted = share * self.counts.total()
        reached = 0
        for value in sorted(self.counts):
            reached += self.counts[value]
            if reached >= wanted:
                break
        return value / 1000


def rounded(microseconds: int) -> int:
    """Round to three significant digits, so that a histogram stays small."""
    scale = 1
    while microseconds >= 1000 * scale:
        scale *= 10
    return (microseconds + scale // 2) // scale * scale
