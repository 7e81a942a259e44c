"""Errors of the command line, with the exit codes that scripts can tell apart."""

from __future__ import annotations

from typing import Final

#: What the user gave cannot be used: a module, a handler, an option.
EXIT_USAGE: Final = 2
#: The server cannot use, or go on using, its data directory or a port.
EXIT_SERVER: Final = 3


class CommandError(Exception):
    """Something the user can mend; the message says what and how."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
