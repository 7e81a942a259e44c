"""The world outside, as the examples see it: banks, printers and mail that answer most of the time.

Real code would speak HTTP here. What matters to the examples is that a call takes a moment, has an
effect, and now and then fails.
"""

import random
import time

#: How often a call gets no answer.
OUTAGE_RATE = 0.2


class OutageError(Exception):
    """The other side did not answer; the next try may succeed."""


def reach(what: str) -> None:
    """Have an effect outside of this process.

    Args:
        what: The effect, in words.

    Raises:
        OutageError: there was no answer this time.
    """
    time.sleep(0.02)
    if random.random() < OUTAGE_RATE:
        raise OutageError(f"no answer, could not {what}")
    print(f"    {what}")
