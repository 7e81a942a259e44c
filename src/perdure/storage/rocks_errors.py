"""What goes wrong with RocksDB, in our words: the library's errors are plain ones with a text."""

from __future__ import annotations

from perdure.engine.ports import StorageError


class StoreFailedError(StorageError):
    """The embedded store cannot be read or written; the message says why and what to do."""


def translated(step: str, error: Exception) -> StoreFailedError:
    """Make our error of one of the library's.

    Args:
        step: what could not be done, as a participle.
        error: what the library raised.
    """
    return StoreFailedError(
        f"the store could not be {step}: {error}. What the log holds is not lost: put the disk in "
        "order (is it full?) and start again; a store that is damaged must be restored from the "
        "same backup as the log"
    )
