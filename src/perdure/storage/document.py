"""One versioned document, replaced whole by whoever has seen what it replaces.

The file begins with a line of JSON that holds format, version and checksum; the content follows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
from crc32c import crc32c
from msgspec import Struct

from perdure.engine.ports import StorageError
from perdure.storage.files import Files, OsFiles, write_whole

FORMAT: Final = 1


class DocumentChangedError(StorageError):
    """Somebody else replaced the document meanwhile: load it and decide again."""


class CorruptDocumentError(StorageError):
    """The file of a document is not as it was written."""


class DocumentHeader(Struct, forbid_unknown_fields=True):
    """The first line of the file."""

    format: int
    version: int
    #: CRC32C of the content.
    checksum: int


class DocumentFile:
    """The port :class:`perdure.engine.ports.Document` on a file. One thread uses it."""

    def __init__(self, path: Path, files: Files | None = None) -> None:
        """Name the file, which need not exist.

        Args:
            path: the file.
            files: the files of its folder, if they are not the operating system's.
        """
        self._path = path
        self._files = files

    def load(self) -> tuple[int, bytes] | None:
        """Give version and content, or None if there never was one.

        Raises:
            CorruptDocumentError: the file is damaged, or of a format that is not known.
            StorageError: it cannot be read.
        """
        try:
            data = self._read()
        except OSError as error:
            raise StorageError(f"{self._path} cannot be read: {error}") from error
        return None if data is None else self._parse(data)

    def replace(self, expected_version: int, content: bytes) -> int:
        """Put new content in place, durably, and give its version.

        Args:
            expected_version: the version that was read; 0 if there was none.
            content: the new content.

        Raises:
            DocumentChangedError: another version is in place.
            StorageError: it cannot be written; load it to see what stands now.
        """
        loaded = self.load()
        _check_version(loaded[0] if loaded else 0, expected_version)
        header = DocumentHeader(FORMAT, expected_version + 1, crc32c(content))
        try:
            write_whole(
                self._open_folder(), self._path.name, msgspec.json.encode(header) + b"\n" + content
            )
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error}") from error
        return header.version

    def _open_folder(self) -> Files:
        if self._files is None:
            self._files = OsFiles(self._path.parent)
        return self._files

    def _read(self) -> bytes | None:
        files = self._open_folder()
        if self._path.name not in files.names():
            return None
        file = files.open(self._path.name)
        try:
            return file.read(0, file.size())
        finally:
            file.close()

    def _parse(self, data: bytes) -> tuple[int, bytes]:
        line, _, content = data.partition(b"\n")
        try:
            header = msgspec.json.decode(line, type=DocumentHeader)
        except msgspec.MsgspecError as error:
            raise self._damaged(
                f"its first line does not tell its format ({error})", "META0010"
            ) from error
        if header.format != FORMAT:
            raise CorruptDocumentError(
                f"[META0011] {self._path} has format {header.format}, this version reads format "
                f"{FORMAT}: "
                "open the data directory with the version that wrote it"
            )
        if crc32c(content) != header.checksum:
            raise self._damaged("the content does not match its checksum")
        return header.version, content

    def _damaged(self, what: str, code: str | None = None) -> CorruptDocumentError:
        told = "" if code is None else f"[{code}] "
        return CorruptDocumentError(
            f"{told}{self._path} is damaged: {what}. Check the disk, then restore the data "
            "directory from a backup"
        )


class MemoryDocument:
    """The port :class:`perdure.engine.ports.Document` in memory."""

    def __init__(self) -> None:
        self._stored: tuple[int, bytes] | None = None

    def load(self) -> tuple[int, bytes] | None:
        """Give version and content, or None if there never was one."""
        return self._stored

    def replace(self, expected_version: int, content: bytes) -> int:
        """Put new content in place and give its version.

        Raises:
            DocumentChangedError: another version is in place.
        """
        _check_version(self._stored[0] if self._stored else 0, expected_version)
        self._stored = (expected_version + 1, content)
        return expected_version + 1


def _check_version(found: int, expected: int) -> None:
    if found != expected:
        raise DocumentChangedError(
            f"version {found} is in place, not {expected}: load the document and decide again"
        )
