"""The files of one folder: the only way in which the log and the documents touch a disk.

Both are written against the protocols here, so that a test or a simulator can put a disk of its own
below them. Methods raise OSError; who calls them knows what the failure means.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import Final, Protocol

from typing_extensions import override

from perdure.storage.kernel_sync import KernelSync, Synced

#: What a file is called until it holds all that it shall hold.
UNFINISHED_SUFFIX: Final = ".new"

Data = bytes | bytearray


class File(Protocol):
    """An open file, read and written by position."""

    def size(self) -> int:
        """Give the length in bytes."""

    def read(self, offset: int, count: int) -> bytes:
        """Give ``count`` bytes, or fewer where the file ends."""

    def write(self, offset: int, data: Data) -> None:
        """Write all of ``data``; a crash may lose any part of it until the next sync."""

    def reserve(self, size: int) -> None:
        """Make the file at least ``size`` bytes long, with zeros that are written there."""

    def truncate(self, size: int) -> None:
        """Cut the file."""

    def sync(self) -> None:
        """Return once everything written is safe from a crash of the machine."""

    def begin_sync(self, done: Synced) -> bool:
        """Begin a sync, and call ``done`` on the event loop when it ended.

        False if nothing was begun, since that is not to be had here: then there is ``sync``.
        """

    def close(self) -> None:
        """Release the file."""


class Files(Protocol):
    """The files of one folder, by name."""

    def names(self) -> list[str]:
        """Give the names of the files, in no order."""

    def open(self, name: str, *, create: bool = False) -> File:
        """Open a file; one that is created is empty, whatever was there."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of the file that has it."""

    def delete(self, name: str) -> None:
        """Take a file away."""

    def sync(self) -> None:
        """Return once the names that were given and taken are safe from a crash of the machine."""


def write_whole(files: Files, name: str, content: bytes) -> None:
    """Create or replace a file so that it holds its old or its new content at any instant.

    Raises:
        OSError: it could not be written; the old content stands unless only the last step, making
            the name safe, failed.
    """
    unfinished = name + UNFINISHED_SUFFIX
    file = files.open(unfinished, create=True)
    try:
        file.write(0, content)
        file.sync()
    finally:
        file.close()
    files.rename(unfinished, name)
    files.sync()


class OsFiles(Files):
    """A folder of the operating system; it is created where it does not exist.

    Args:
        folder: its path.
        background: makes syncs in the background, for files that ask for it.
    """

    def __init__(self, folder: Path, background: KernelSync | None = None) -> None:
        self._folder = folder
        self._background = background
        create_folder(folder)

    @override
    def names(self) -> list[str]:
        return [path.name for path in self._folder.iterdir()]

    @override
    def open(self, name: str, *, create: bool = False) -> OsFile:
        flags = os.O_RDWR | os.O_CLOEXEC
        if create:
            flags |= os.O_CREAT | os.O_TRUNC
        return OsFile(os.open(self._folder / name, flags, 0o600), self._background)

    @override
    def rename(self, old: str, new: str) -> None:
        (self._folder / old).replace(self._folder / new)

    @override
    def delete(self, name: str) -> None:
        (self._folder / name).unlink()

    @override
    def sync(self) -> None:
        sync_folder(self._folder)


class OsFile(File):
    """A file of the operating system."""

    def __init__(self, descriptor: int, background: KernelSync | None = None) -> None:
        self._descriptor = descriptor
        self._background = background

    @override
    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    @override
    def read(self, offset: int, count: int) -> bytes:
        data = os.pread(self._descriptor, count, offset)
        while 0 < len(data) < count:
            more = os.pread(self._descriptor, count - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    @override
    def write(self, offset: int, data: Data) -> None:
        written = os.pwrite(self._descriptor, data, offset)
        while written < len(data):
            written += os.pwrite(self._descriptor, data[written:], offset + written)

    @override
    def reserve(self, size: int) -> None:
        # Written, not only allotted: a block that was never written becomes so in the file system's
        # own journal, which each sync then waits for.
        end = self.size()
        if end < size:
            self.write(end, bytes(size - end))

    @override
    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    @override
    def sync(self) -> None:
        if sys.platform == "darwin":
            # There, fsync leaves the data in the disk's own cache.
            fcntl.fcntl(self._descriptor, fcntl.F_FULLFSYNC)
        else:
            # The length and the place of the data count as data; the time of the change does not.
            os.fdatasync(self._descriptor)

    @override
    def begin_sync(self, done: Synced) -> bool:
        return self._background is not None and self._background.begin(self._descriptor, done)

    @override
    def close(self) -> None:
        os.close(self._descriptor)


def create_folder(folder: Path) -> None:
    """Create a folder with all that is above it, safe from a crash of the machine."""
    if folder.is_dir():
        return
    create_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder safe from a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
