"""The standard streams, which are there whatever the process was started with."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Final

import click

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


def write_whatever_comes() -> None:
    """Let standard output escape what its encoding lacks, as standard error does.

    Keys, results and the messages of failures are in any language; a console, or a file that
    Windows makes, need not be.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def say(message: str) -> None:
    """Write a line to standard error, if anybody is left to read it.

    Who reads the output of a server, such as a pager, may end long before the server does.
    """
    with contextlib.suppress(OSError):
        click.echo(message, err=True)
