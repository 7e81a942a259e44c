"""The data directory: one folder, of one server, of one format.

LOCK          who uses the directory: its process id, under an exclusive lock
FORMAT        {"format": 3, "created_by": "0.1.0"}
log/          segments of the log
store/        the embedded store
registry.json deployments and what they serve
"""

from __future__ import annotations

import fcntl
import os
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from perdure.engine.ports import StorageError
from perdure.storage.files import UNFINISHED_SUFFIX, OsFiles, create_folder, write_whole
from perdure.storage.forks import close_when_forked
from perdure.storage.segments import SUFFIX

#: 2: waiting and paused invocations stand in a table of their own; 3: the row of an invocation
#: begins with its times.
FORMAT: Final = 3

_LOCK_NAME: Final = "LOCK"
_FORMAT_NAME: Final = "FORMAT"
#: What a directory may hold that is not a data directory yet: what the first start left when it was
#: interrupted, and what a file system keeps at its root.
_HARMLESS: Final = frozenset({_LOCK_NAME, _FORMAT_NAME + UNFINISHED_SUFFIX, "lost+found"})


class DirectoryUnusableError(StorageError):
    """The path is not a folder that can be written, or a folder that holds something else."""


class DirectoryInUseError(StorageError):
    """Another process uses the data directory."""


class UnknownFormatError(StorageError):
    """The data directory has a format that this version does not know."""


class FormatDocument(Struct):
    """What the file FORMAT holds; later formats may add to it."""

    format: int
    created_by: str = "an unknown version"


class DataDirectory:
    """A data directory that this process alone uses until it is closed."""

    def __init__(self, path: Path, lock: int) -> None:
        """Take over a directory.

        Args:
            path: the directory.
            lock: descriptor of the locked file, which is closed with the directory.
        """
        self.path = path
        self._lock: int | None = lock

    @classmethod
    def open(cls, path: Path) -> DataDirectory:
        """Open a data directory, or make one of an empty or missing folder.

        Raises:
            DirectoryUnusableError: the path is no folder, not writable, or holds something else.
            DirectoryInUseError: another process uses it.
            UnknownFormatError: another version must open it.
        """
        path = path.absolute()
        try:
            return cls._open(path)
        except OSError as error:
            raise DirectoryUnusableError(
                f"the data directory {path} cannot be used: {error}. Make it a folder that this "
                "user may write to, or name another with --data-dir"
            ) from error

    @property
    def log_path(self) -> Path:
        """Folder of the log."""
        return self.path / "log"

    @property
    def store_path(self) -> Path:
        """Folder of the embedded store."""
        return self.path / "store"

    @property
    def registry_path(self) -> Path:
        """File of the registry."""
        return self.path / "registry.json"

    def close(self) -> None:
        """Let another process use the directory; close what lies in it before."""
        if self._lock is not None:
            # The file stays: taking it away could take it from whoever has just locked it.
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @classmethod
    def _open(cls, path: Path) -> DataDirectory:
        create_folder(path)
        # Before the lock, which would be the first file in a folder that is not ours.
        _refuse_foreign(path)
        directory = cls(path, _lock(path))
        close_when_forked(directory, cls.close)
        try:
            _check_format(path)
            directory._check_log()
        except BaseException:
            directory.close()
            raise
        return directory

    def _check_log(self) -> None:
        """Refuse a registry without the log, which is begun before it: all would seem new."""
        if self.registry_path.exists() and not any(self.log_path.glob(f"*{SUFFIX}")):
            raise DirectoryUnusableError(
                f"{self.path} holds {self.registry_path.name} but no log: restore the whole data "
                "directory from a backup, or name an empty or new folder with --data-dir"
            )


def _refuse_foreign(path: Path) -> None:
    names = {entry.name for entry in path.iterdir()}
    if _FORMAT_NAME not in names and (foreign := sorted(names - _HARMLESS)):
        raise DirectoryUnusableError(
            f"{path} holds {foreign[0]!r} but no file {_FORMAT_NAME}, so it is not a data "
            "directory: name an empty or new folder with --data-dir"
        )


def _lock(path: Path) -> int:
    """Lock the directory for as long as the descriptor that is given stays open."""
    descriptor = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # For people only: what counts is the lock, which ends with its process.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise DirectoryInUseError(
            f"[RT0005] the data directory {path} is used by the process {holder}: stop it, or name "
            "another directory with --data-dir"
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_format(path: Path) -> None:
    file = path / _FORMAT_NAME
    if not file.exists():
        document = FormatDocument(FORMAT, _own_version())
        write_whole(OsFiles(path), _FORMAT_NAME, msgspec.json.encode(document) + b"\n")
        return
    try:
        document = msgspec.json.decode(file.read_bytes(), type=FormatDocument)
    except msgspec.MsgspecError as error:
        raise UnknownFormatError(
            f"[RT0009] {file} is damaged ({error}): check the disk, then restore the data "
            "directory from a backup, or name another with --data-dir"
        ) from error
    if document.format != FORMAT:
        step = "upgrade" if document.format > FORMAT else "downgrade"
        raise UnknownFormatError(
            f"[RT0009] the data directory {path} has format {document.format} (created by perdure "
            f"{document.created_by}), this version, {_own_version()}, reads format {FORMAT}: "
            f"{step} perdure, or name another directory with --data-dir"
        )


def _own_version() -> str:
    try:
        return metadata.version("perdure")
    except metadata.PackageNotFoundError:
        return "unknown"
