"""The garbage collector of a process that does nothing but serve.

What a request leaves behind is freed by reference counts; the collector only looks for cycles, and
finds hardly any. Left as Python sets it, it walks young objects every 700 allocations and all that
was ever imported every so often: 10 to 15 % of the CPU of a call. An application that embeds the
server keeps its own settings.
"""

from __future__ import annotations

import gc
from typing import Final

#: Allocations beyond deallocations before the young objects are looked at, and how many such looks
#: before the middle-aged and the old are.
THRESHOLDS: Final = (20_000, 50, 100)


def settle_down() -> None:
    """Leave what was loaded so far alone from now on, and look for garbage less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
