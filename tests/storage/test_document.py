"""A document: compare and set, on disk and in memory, through crashes."""

import errno
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from simulated_disk import PowerCut, SimulatedDisk

from perdure.engine.ports import StorageError
from perdure.storage.document import (
    CorruptDocumentError,
    DocumentChangedError,
    DocumentFile,
    MemoryDocument,
)


@pytest.fixture(params=["file", "memory"])
def document(request, tmp_path):
    return DocumentFile(tmp_path / "d.json") if request.param == "file" else MemoryDocument()


def test_versions_count_up_from_one(document):
    assert document.load() is None
    assert document.replace(0, b"{}") == 1
    assert document.load() == (1, b"{}")
    assert document.replace(1, b'{"a":\n1}') == 2
    assert document.load() == (2, b'{"a":\n1}')


@pytest.mark.parametrize("expected", [0, 2])
def test_only_who_has_seen_the_version_may_replace_it(document, expected):
    document.replace(0, b"first")
    with pytest.raises(DocumentChangedError, match=f"version 1 is in place, not {expected}"):
        document.replace(expected, b"second")
    assert document.load() == (1, b"first")


def test_a_document_that_never_was_has_no_version_to_replace(document):
    with pytest.raises(DocumentChangedError):
        document.replace(1, b"")


def test_the_file_is_seen_by_whoever_opens_it_next(tmp_path):
    DocumentFile(tmp_path / "d.json").replace(0, b"content")
    assert (tmp_path / "d.json").read_bytes().endswith(b"}\ncontent")
    assert DocumentFile(tmp_path / "d.json").load() == (1, b"content")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", r"\[META0010\] .*does not tell its format"),
        (b'{"format":1}\n', r"\[META0010\] .*does not tell its format"),
        (b'{"format":1,"version":3,"checksum":1}\ncontent', "does not match its checksum"),
        (
            b'{"format":2,"version":3,"checksum":1}\ncontent',
            r"\[META0011\] .*has format 2",
        ),
    ],
)
def test_damage_is_named(tmp_path, content, complaint):
    (tmp_path / "d.json").write_bytes(content)
    with pytest.raises(CorruptDocumentError, match=complaint):
        DocumentFile(tmp_path / "d.json").load()


def test_a_crash_leaves_the_old_document_or_the_new():
    for cut_at in range(1, 8):
        for seed in range(10):
            disk = SimulatedDisk()
            DocumentFile(Path("d.json"), disk).replace(0, b"old")
            disk.cut_at = disk.steps + cut_at
            acknowledged = False
            with suppress(PowerCut):
                DocumentFile(Path("d.json"), disk).replace(1, b"new and longer")
                acknowledged = True
            after = DocumentFile(Path("d.json"), disk.after_power_cut(Random(seed)))
            found = after.load()
            assert found == (2, b"new and longer") or (found == (1, b"old") and not acknowledged)
            assert after.replace(found[0], b"next") == found[0] + 1


def test_a_disk_that_fails_is_a_storage_error():
    disk = SimulatedDisk()
    document = DocumentFile(Path("d.json"), disk)
    disk.space = 10
    with pytest.raises(StorageError, match=r"cannot be written: .*No space left"):
        document.replace(0, b"content")
    disk.space = None
    disk.errors[disk.steps + 3] = errno.EIO
    with pytest.raises(StorageError, match=r"cannot be written: .*Input/output error"):
        document.replace(0, b"content")
    assert document.load() is None
    assert document.replace(0, b"content") == 1


def test_a_file_that_cannot_be_read_is_a_storage_error(tmp_path):
    (tmp_path / "d.json").mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        DocumentFile(tmp_path / "d.json").load()
