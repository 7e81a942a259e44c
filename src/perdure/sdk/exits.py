"""What becomes of code that asks the process to exit, and all other invocations with it."""

from __future__ import annotations

import signal
import traceback
from typing import NoReturn


def refuse(error: SystemExit) -> NoReturn:
    """Fail in the place of an exit, so that only the attempt ends, and is tried again.

    Raises:
        RuntimeError: code of the attempt has asked for the exit.
        SystemExit: the handler of a signal has, which may interrupt any code.
    """
    asking = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
    listening = (signal.getsignal(number) for number in signal.valid_signals())
    if any(getattr(handler, "__code__", None) in asking for handler in listening):
        raise error
    raise RuntimeError(
        f"{error!r} would end the process and all other invocations: raise another error, such as "
        "perdure.TerminalError"
    ) from error
