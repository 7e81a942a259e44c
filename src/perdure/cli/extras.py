"""What commands need beside the SDK, and what to say where it is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from perdure.cli.errors import UsageError


@contextmanager
def needed_by(what: str) -> Iterator[None]:
    """Import what is needed within this, so that what is missing is told in a line.

    Raises:
        UsageError: something is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "perdure":
            raise
        raise UsageError(
            f'{what} needs {error.name}, which is not installed: pip install "perdure[server]"'
        ) from error
