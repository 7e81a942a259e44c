"""Running this very command line once more, in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable


def same_command() -> list[str]:
    """Give the words that run this command line in another process."""
    # `-m` alone would look for all modules in the current folder first, and find the user's own
    # `email.py` where the one of the standard library is meant. That is right only if this process
    # was started so, and not by one that passes on how itself was started.
    started_by_name = getattr(sys.modules["__main__"], "__spec__", None) is not None
    safely = [] if started_by_name and not sys.flags.safe_path else ["-P"]
    return [sys.executable, *safely, "-m", "perdure", *sys.argv[1:]]


def keep(descriptors: Iterable[int]) -> None:
    """Take descriptors over that such a process was given: programs that it starts get none."""
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
