"""The standard streams, which are there whatever the process was started with."""

from __future__ import annotations

import os
import sys
from typing import Final

_LAST: Final = 2


def open_missing_streams() -> None:
    """Give the null device to each standard stream that this process was started without.

    Else what is opened first takes its place: what a library prints would go into a file of the
    server's, and the standard input of a child would take the place of a socket.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
