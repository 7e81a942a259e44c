"""Leaving the process while threads go on that nothing can end."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Final

#: How long threads with nothing to do may take to end, in seconds.
IDLE_S: Final = 0.5


def leave_threads_behind(code: int) -> None:
    """End the process if threads are at work that Python would wait for; else return.

    Args:
        code: The exit code.
    """
    limit = time.monotonic() + IDLE_S
    waited_for = [
        each
        for each in threading.enumerate()
        if each is not threading.current_thread() and not each.daemon
    ]
    for thread in waited_for:
        thread.join(max(0, limit - time.monotonic()))
    if any(thread.is_alive() for thread in waited_for):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
