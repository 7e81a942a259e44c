"""Errors of the command line, with the exit codes that scripts can tell apart.

====  ====================================================================================
code  meaning
====  ====================================================================================
0     done; a bulk action that had nothing left undone
1     the server refused, what was named does not exist, or the question was answered with no
2     the command, an option or a file that was given cannot be used
3     this process cannot use, or go on using, its data directory or a port
4     no admin API answered: nothing was done, or it is unknown whether it was
130   interrupted from the keyboard
====  ====================================================================================
"""

from __future__ import annotations

from typing import Final

#: The server refused, or there is no such thing.
EXIT_REFUSED: Final = 1
#: What the user gave cannot be used: a module, a handler, an option.
EXIT_USAGE: Final = 2
#: The server cannot use, or go on using, its data directory or a port.
EXIT_SERVER: Final = 3
#: The admin API cannot be reached.
EXIT_UNREACHABLE: Final = 4
#: Interrupted from the keyboard, as shells count it.
EXIT_INTERRUPTED: Final = 130


class CommandError(Exception):
    """Something the user can mend; the message says what and how."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class DiedError(CommandError):
    """One of the server's processes ended as only a defect ends one, or a kill."""


class RefusedError(CommandError):
    """The server refused, or has no such thing."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_REFUSED)


class UsageError(CommandError):
    """What was given on the command line, or in a file, cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_USAGE)
