"""The data directory: one folder, of one server, of one format.

LOCK          who uses the directory: its process id, under an exclusive lock
FORMAT        {"format": 5, "created_by": "0.1.0", "partitions": 2, "partition": 0}
log/          segments of the log
store/        the embedded store
registry.json deployments and what they serve
partition-1/  the same of another partition, which has no registry of its own
"""

from __future__ import annotations

import fcntl
import os
import time
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from perdure.core.model.shares import ALONE, Share
from perdure.engine.ports import StorageError
from perdure.storage.files import UNFINISHED_SUFFIX, OsFiles, create_folder, write_whole
from perdure.storage.forks import close_when_forked
from perdure.storage.segments import SUFFIX

#: 2: waiting and paused invocations stand in a table of their own; 3: the row of an invocation
#: begins with its times; 4: tells how many partitions there are; 5: one record of the log may say
#: of many timers that they fired.
FORMAT: Final = 5
#: What formats 3 and 4 have is as format 5 has it, where there is one partition in format 3.
_READ: Final = (3, 4, FORMAT)

_LOCK_NAME: Final = "LOCK"
_FORMAT_NAME: Final = "FORMAT"
_PARTITION_PREFIX: Final = "partition-"
#: How long a process may take to leave whose server was killed, and how often it is looked.
_LEAVING_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.05
#: What a directory may hold that is not a data directory yet: what the first start left when it was
#: interrupted, and what a file system keeps at its root.
_HARMLESS: Final = frozenset({_LOCK_NAME, _FORMAT_NAME + UNFINISHED_SUFFIX, "lost+found"})


class DirectoryUnusableError(StorageError):
    """The path is not a folder that can be written, or a folder that holds something else."""


class DirectoryInUseError(StorageError):
    """Another process uses the data directory."""


class UnknownFormatError(StorageError):
    """The data directory has a format that this version does not know."""


class OtherPartitionsError(StorageError):
    """The data directory has another number of partitions, or the folder is that of another one."""


class FormatDocument(Struct):
    """What the file FORMAT holds; later formats may add to it."""

    format: int
    #: The version that gave the directory this format.
    created_by: str = "an unknown version"
    #: How many partitions there are, and whose folder this is.
    partitions: int = 1
    partition: int = 0


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
    def open(cls, path: Path, share: Share = ALONE) -> DataDirectory:
        """Open a data directory, or make one of an empty or missing folder.

        One of an older format has this version's from then on: an older version, which could not
        read what is written now, refuses it.

        Args:
            path: the directory.
            share: whose part of it; that of partition 0 is opened first, and makes the others.

        Raises:
            DirectoryUnusableError: the path is no folder, not writable, or holds something else.
            DirectoryInUseError: another process uses it.
            UnknownFormatError: another version must open it.
            OtherPartitionsError: it has another number of partitions.
        """
        path = path.absolute()
        try:
            return cls._open(path, share)
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
    def _open(cls, root: Path, share: Share) -> DataDirectory:
        path = partition_path(root, share.index)
        if share.index == 0:
            create_folder(path)
            # Before the lock, which would be the first file in a folder that is not ours.
            _refuse_foreign(path)
        elif not (path / _FORMAT_NAME).exists():
            raise DirectoryUnusableError(
                f"{path} is missing: restore the whole data directory from a backup, or name an "
                "empty or new folder with --data-dir"
            )
        # What still holds another partition's folder is on its way out: it was started by a process
        # that had the first one's, which is ours.
        directory = cls(path, _lock(path, 0.0 if share.index == 0 else _LEAVING_S))
        close_when_forked(directory, cls.close)
        try:
            if not (path / _FORMAT_NAME).exists():
                _create(path, share.count)
            document = _check_format(path, share)
            directory._check_log()
            if document.format != FORMAT:
                _write_format(path, document.partitions, document.partition)
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


def partition_path(root: Path, index: int) -> Path:
    """Give the folder of a partition; that of partition 0 holds those of all others."""
    return root if index == 0 else root / f"{_PARTITION_PREFIX}{index}"


def partitions_in(root: Path) -> int | None:
    """Tell how many partitions a data directory has; None if it is none yet.

    Raises:
        UnknownFormatError: another version must open it.
    """
    try:
        return _read_format(root).partitions
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DirectoryUnusableError(
            f"the data directory {root} cannot be used: {error}"
        ) from error


def _refuse_foreign(path: Path) -> None:
    names = {entry.name for entry in path.iterdir()}
    if _FORMAT_NAME in names:
        return
    if foreign := sorted(name for name in names if not _is_harmless(name)):
        raise DirectoryUnusableError(
            f"{path} holds {foreign[0]!r} but no file {_FORMAT_NAME}, so it is not a data "
            "directory: name an empty or new folder with --data-dir"
        )


def _is_harmless(name: str) -> bool:
    prefix, partition, index = name.partition(_PARTITION_PREFIX)
    return name in _HARMLESS or (not prefix and bool(partition) and index.isdecimal())


def _lock(path: Path, patience_s: float) -> int:
    """Lock the directory for as long as the descriptor that is given stays open."""
    descriptor = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, time.monotonic() + patience_s)
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


def _take(descriptor: int, limit: float) -> None:
    """Lock a file, unless another process holds it beyond a time of the monotonic clock.

    Raises:
        BlockingIOError: it does.
    """
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= limit:
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
            return


def _create(root: Path, partitions: int) -> None:
    """Write what tells the format, that of partition 0 last: with it, those of all others exist."""
    for index in reversed(range(partitions)):
        path = partition_path(root, index)
        create_folder(path)
        _write_format(path, partitions, index)


def _write_format(path: Path, partitions: int, index: int) -> None:
    document = FormatDocument(FORMAT, _own_version(), partitions, index)
    write_whole(OsFiles(path), _FORMAT_NAME, msgspec.json.encode(document) + b"\n")


def _check_format(path: Path, share: Share) -> FormatDocument:
    document = _read_format(path)
    if document.partitions != share.count:
        raise OtherPartitionsError(
            f"the data directory {path} has {_counted(document.partitions)}, and that cannot "
            f"change, but {_counted(share.count)} would serve it: write --partitions "
            f"{document.partitions} or nothing, or name another directory with --data-dir. "
            "perdure.embedded and tests serve one partition only"
        )
    if document.partition != share.index:
        raise OtherPartitionsError(
            f"{path} is the folder of partition {document.partition}, not of {share.index}: name "
            "the whole data directory with --data-dir, and leave the folders in it where they were"
        )
    return document


def _counted(partitions: int) -> str:
    return "1 partition" if partitions == 1 else f"{partitions} partitions"


def _read_format(path: Path) -> FormatDocument:
    file = path / _FORMAT_NAME
    try:
        document = msgspec.json.decode(file.read_bytes(), type=FormatDocument)
    except msgspec.MsgspecError as error:
        raise UnknownFormatError(
            f"[RT0009] {file} is damaged ({error}): check the disk, then restore the data "
            "directory from a backup, or name another with --data-dir"
        ) from error
    if document.format not in _READ:
        step = "upgrade" if document.format > FORMAT else "downgrade"
        raise UnknownFormatError(
            f"[RT0009] the data directory {path} has format {document.format} (created by perdure "
            f"{document.created_by}), this version, {_own_version()}, reads format {FORMAT}: "
            f"{step} perdure, or name another directory with --data-dir"
        )
    return document


def _own_version() -> str:
    try:
        return metadata.version("perdure")
    except metadata.PackageNotFoundError:
        return "unknown"
