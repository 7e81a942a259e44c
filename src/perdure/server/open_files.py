"""Files that the process may have open: most for connections, the rest for storage and services.

A process without a file left cannot write its log, and stops. So connections are refused while
others still find a file.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Final

if sys.platform != "win32":  # which has no such limit
    import resource

#: Connections of one door, however many files there may be.
CONNECTIONS_MAX: Final = 50_000
#: More than this is asked for by nobody, and some systems do not take it.
_FILES_ENOUGH: Final = 200_000
#: Each of two doors may take this part of all files.
_PART: Final = 3 / 8


def raise_limit() -> None:
    """Let this process open as many files as it may allow itself."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _FILES_ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # what the system refuses stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_max() -> int:
    """Give how many connections a door takes at the same time."""
    if sys.platform == "win32":
        return CONNECTIONS_MAX
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, int(soft * _PART))
