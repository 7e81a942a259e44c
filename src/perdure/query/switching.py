"""How long queries keep the interpreter to themselves."""

from __future__ import annotations

import sys
from typing import Final

#: How long a query's thread may keep the interpreter to itself while others want it, in seconds.
#: The default, 5 ms, comes several times into the way of each request.
SWITCH_S: Final = 0.000_5


class Switching:
    """Lets the event loop's thread in at once whenever it has something to do, while rows are read.

    Lives on the event loop.
    """

    def __init__(self) -> None:
        self._running = 0
        self._usual_s = 0.0

    def begin(self) -> None:
        """Begin a query."""
        if self._running == 0:
            self._usual_s = sys.getswitchinterval()
            sys.setswitchinterval(min(SWITCH_S, self._usual_s))
        self._running += 1

    def end(self) -> None:
        """End a query."""
        self._running -= 1
        if self._running == 0:
            sys.setswitchinterval(self._usual_s)
