"""The real files."""

import os

import pytest

from perdure.storage.files import OsFiles, create_folder, write_whole


def test_bytes_come_back_by_position(tmp_path):
    files = OsFiles(tmp_path / "a" / "b")
    file = files.open("f", create=True)
    file.write(3, b"abc")
    file.write(5, bytearray(b"xyz"))
    file.sync()
    assert file.size() == 8
    assert file.read(0, 100) == b"\x00\x00\x00abxyz"
    assert file.read(4, 2) == b"bx"
    assert file.read(8, 1) == b""
    file.close()


def test_reserved_space_is_zeros_and_a_reserve_cuts_nothing(tmp_path):
    file = OsFiles(tmp_path).open("f", create=True)
    file.write(0, b"abc")
    file.reserve(10_000)
    file.reserve(5)
    assert file.size() == 10_000
    assert file.read(0, 20_000) == b"abc" + bytes(9_997)
    file.truncate(2)
    assert file.read(0, 10) == b"ab"
    file.close()


def test_a_write_that_the_system_cuts_into_pieces_is_whole(tmp_path, monkeypatch):
    whole_write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: whole_write(fd, data[:2], at))
    file = OsFiles(tmp_path).open("f", create=True)
    file.write(1, b"abcde")
    assert file.read(0, 10) == b"\x00abcde"
    file.close()


def test_names_are_given_and_taken(tmp_path):
    files = OsFiles(tmp_path)
    files.open("a", create=True).close()
    files.open("b", create=True).close()
    files.rename("a", "b")
    assert files.names() == ["b"]
    files.delete("b")
    files.sync()
    assert files.names() == []
    for missing in (files.open, files.delete):
        with pytest.raises(FileNotFoundError):
            missing("b")


def test_a_created_file_is_empty_and_for_its_owner_alone(tmp_path):
    files = OsFiles(tmp_path)
    (tmp_path / "a").write_bytes(b"old")
    files.open("a", create=True).close()
    files.open("b", create=True).close()
    assert (tmp_path / "a").read_bytes() == b""
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


def test_write_whole_replaces(tmp_path):
    files = OsFiles(tmp_path)
    write_whole(files, "a", b"a longer content")
    write_whole(files, "a", b"short")
    assert (tmp_path / "a").read_bytes() == b"short"
    assert files.names() == ["a"]


def test_folders_are_created_with_all_above_them(tmp_path):
    create_folder(tmp_path / "a" / "b" / "c")
    create_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
