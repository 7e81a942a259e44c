"""What becomes of code that asks the process to exit, and all other invocations with it."""

from __future__ import annotations

import signal
import traceback
from functools import partial
from typing import Any, NoReturn


def refuse(error: SystemExit) -> NoReturn:
    """Fail in the place of an exit, so that only the attempt ends, and is tried again.

    Raises:
        RuntimeError: code of the attempt has asked for the exit.
        SystemExit: the handler of a signal has, which may interrupt any code.
    """
    asking = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
    listening = (signal.getsignal(number) for number in signal.valid_signals())
    if any(_code_of(handler) in asking for handler in listening):
        raise error
    raise RuntimeError(
        f"{error!r} would end the process and all other invocations: raise another error, such as "
        "perdure.TerminalError"
    ) from error


def _code_of(handler: Any) -> Any:
    """Give the code that a signal's handler runs, if that is Python's."""
    while isinstance(handler, partial):
        handler = handler.func
    call = getattr(handler, "__call__", None)  # noqa: B004 - the method of a callable object
    return getattr(handler, "__code__", None) or getattr(call, "__code__", None)
