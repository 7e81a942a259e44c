"""Leaving the process while threads go on that nothing can end, and processes that serve them."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import Final

#: How long threads with nothing to do may take to end, in seconds.
IDLE_S: Final = 0.5


def leave_threads_behind(code: int) -> None:
    """End the process if threads are at work that Python would wait for; else return.

    Pools of processes end with it, as nobody is left to take what they come to.

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
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.terminate()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # nobody may be left to read it
                stream.flush()
        os._exit(code)
