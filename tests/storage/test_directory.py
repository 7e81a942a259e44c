"""Which folders are taken for a data directory, and by whom."""

import json
import os
import subprocess
import sys
import threading

import pytest

from perdure.core.model.shares import share_of
from perdure.engine.ports import StorageError
from perdure.storage.directory import (
    FORMAT,
    DataDirectory,
    DirectoryInUseError,
    DirectoryUnusableError,
    OtherPartitionsError,
    UnknownFormatError,
    partitions_in,
)


def test_a_new_folder_becomes_a_data_directory_and_stays_one(tmp_path):
    path = tmp_path / "deep" / "data"
    with DataDirectory.open(path) as directory:
        assert directory.log_path == path / "log"
        assert directory.store_path == path / "store"
        assert directory.registry_path == path / "registry.json"
    format_file = json.loads((path / "FORMAT").read_bytes())
    assert format_file["format"] == FORMAT
    assert isinstance(format_file["created_by"], str)
    (path / "log").mkdir()
    directory = DataDirectory.open(path)
    directory.close()
    directory.close()


def test_what_an_interrupted_first_start_left_is_taken(tmp_path):
    (tmp_path / "LOCK").write_bytes(b"")
    (tmp_path / "FORMAT.new").write_bytes(b'{"for')
    (tmp_path / "lost+found").mkdir()
    DataDirectory.open(tmp_path).close()
    assert (tmp_path / "FORMAT").exists()


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("do not touch")
    with pytest.raises(DirectoryUnusableError, match=r"holds 'thesis.txt'.*--data-dir"):
        DataDirectory.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("below", ["", "data"])
def test_a_file_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryUnusableError, match=r"cannot be used.*--data-dir"):
        DataDirectory.open(tmp_path / "file" / below)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path):
    (tmp_path / "sealed").mkdir(mode=0o500)
    with pytest.raises(DirectoryUnusableError, match=r"Permission denied.*--data-dir"):
        DataDirectory.open(tmp_path / "sealed")


def test_a_lock_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "LOCK").symlink_to("/dev/full")
    with pytest.raises(DirectoryUnusableError, match=r"cannot be used.*--data-dir"):
        DataDirectory.open(tmp_path)


def test_the_same_process_cannot_open_it_twice(tmp_path):
    with (
        DataDirectory.open(tmp_path),
        pytest.raises(DirectoryInUseError, match=rf"RT0005.*process {os.getpid()}: stop it"),
    ):
        DataDirectory.open(tmp_path)
    DataDirectory.open(tmp_path).close()


HOLDER = """
import sys
from pathlib import Path
from perdure.storage.directory import DataDirectory
directory = DataDirectory.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


#: The child of a step outlives it.
FORKER = """
import os, sys
from pathlib import Path
from perdure.storage.directory import DataDirectory
directory = DataDirectory.open(Path(sys.argv[1]))
if os.fork() == 0:
    print("open", flush=True)
sys.stdin.read()
os._exit(0)
"""


@pytest.mark.parametrize("program", [HOLDER, FORKER])
def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path, program):
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(DirectoryInUseError, match=rf"by the process {holder.pid}: stop it"):
            DataDirectory.open(tmp_path)
        holder.kill()
        holder.wait()
        DataDirectory.open(tmp_path).close()


@pytest.mark.parametrize(("version", "step"), [(FORMAT + 1, "upgrade"), (2, "downgrade")])
def test_another_format_is_refused_with_what_to_do(tmp_path, version, step):
    (tmp_path / "FORMAT").write_text(json.dumps({"format": version, "created_by": "9.9", "x": 1}))
    with pytest.raises(
        UnknownFormatError,
        match=rf"RT0009.*format {version} \(created by perdure 9.9\).*{FORMAT}: {step} perdure",
    ):
        DataDirectory.open(tmp_path)
    (tmp_path / "FORMAT").write_text(json.dumps({"format": FORMAT}))
    DataDirectory.open(tmp_path).close()


def format_of(path):
    return json.loads((path / "FORMAT").read_bytes())


@pytest.mark.parametrize("older", [3, 4])
def test_an_older_format_is_read_and_becomes_this_one(tmp_path, older):
    (tmp_path / "FORMAT").write_text(json.dumps({"format": older, "created_by": "0.0.1"}))
    (tmp_path / "FORMAT.new").write_bytes(b"what a crash left while it became this one" * 9)
    assert partitions_in(tmp_path) == 1
    assert format_of(tmp_path)["format"] == older, "who only looks changes nothing"
    with DataDirectory.open(tmp_path):
        assert format_of(tmp_path)["format"] == FORMAT, "before anything can be written"
    assert format_of(tmp_path)["created_by"] != "0.0.1", "whom an older version is to name"
    assert (format_of(tmp_path)["partitions"], format_of(tmp_path)["partition"]) == (1, 0)
    with pytest.raises(OtherPartitionsError):
        DataDirectory.open(tmp_path, share_of(0, 2))


def test_an_older_directory_that_is_refused_is_left_as_it_is(tmp_path):
    before = json.dumps({"format": 4, "created_by": "0.1.0", "partitions": 2})
    (tmp_path / "FORMAT").write_text(before)
    with pytest.raises(OtherPartitionsError):
        DataDirectory.open(tmp_path)
    (tmp_path / "registry.json").write_bytes(b"whatever")
    with pytest.raises(DirectoryUnusableError, match="but no log"):
        DataDirectory.open(tmp_path, share_of(0, 2))
    assert (tmp_path / "FORMAT").read_text() == before


def test_an_older_directory_that_cannot_become_this_format_is_refused(tmp_path):
    before = json.dumps({"format": 4})
    (tmp_path / "FORMAT").write_text(before)
    (tmp_path / "FORMAT.new").mkdir()
    with pytest.raises(DirectoryUnusableError, match=r"cannot be used.*FORMAT\.new"):
        DataDirectory.open(tmp_path)
    assert (tmp_path / "FORMAT").read_text() == before
    (tmp_path / "FORMAT.new").rmdir()
    DataDirectory.open(tmp_path).close()


def test_a_damaged_format_file_is_refused(tmp_path):
    (tmp_path / "FORMAT").write_bytes(b"\x00\x00")
    with pytest.raises(UnknownFormatError, match=r"RT0009.*FORMAT is damaged"):
        DataDirectory.open(tmp_path)


@pytest.mark.parametrize("folder", [True, False])
def test_a_registry_without_a_log_is_refused(tmp_path, folder):
    DataDirectory.open(tmp_path).close()
    (tmp_path / "registry.json").write_bytes(b"whatever")
    if folder:
        (tmp_path / "log").mkdir()
    for _ in range(2):
        with pytest.raises(DirectoryUnusableError, match=r"registry\.json but no log: restore"):
            DataDirectory.open(tmp_path)


# -- Several partitions


def test_each_partition_has_a_folder_and_a_lock_of_its_own(tmp_path):
    assert partitions_in(tmp_path) is None
    with DataDirectory.open(tmp_path, share_of(0, 3)) as first:
        assert partitions_in(tmp_path) == 3
        assert first.log_path == tmp_path / "log"
        for index in (1, 2):
            with DataDirectory.open(tmp_path, share_of(index, 3)) as other:
                assert other.log_path == tmp_path / f"partition-{index}" / "log"
                assert other.store_path == tmp_path / f"partition-{index}" / "store"


def test_what_an_interrupted_start_left_of_a_partition_is_harmless(tmp_path):
    (tmp_path / "partition-1").mkdir()
    DataDirectory.open(tmp_path, share_of(0, 2)).close()


@pytest.mark.parametrize("name", ["1", "partition-", "partition-one", "partition-1.txt"])
def test_what_only_resembles_a_partition_is_not_ours(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(DirectoryUnusableError, match=f"holds '{name}'"):
        DataDirectory.open(tmp_path, share_of(0, 2))


@pytest.mark.parametrize(("made", "opened"), [(1, 2), (2, 1), (2, 3)])
def test_the_number_of_partitions_cannot_change(tmp_path, made, opened):
    DataDirectory.open(tmp_path, share_of(0, made)).close()
    with pytest.raises(OtherPartitionsError, match=rf"has {made} par.*write --partitions {made} "):
        DataDirectory.open(tmp_path, share_of(0, opened))
    DataDirectory.open(tmp_path, share_of(0, made)).close()


def test_the_folder_of_one_partition_is_not_taken_for_another_s(tmp_path):
    DataDirectory.open(tmp_path, share_of(0, 3)).close()
    with pytest.raises(OtherPartitionsError, match="folder of partition 2, not of 0"):
        DataDirectory.open(tmp_path / "partition-2", share_of(0, 3))
    (tmp_path / "partition-1").rename(tmp_path / "aside")
    (tmp_path / "partition-2").rename(tmp_path / "partition-1")
    with pytest.raises(OtherPartitionsError, match="folder of partition 2, not of 1"):
        DataDirectory.open(tmp_path, share_of(1, 3))


def test_a_partition_s_folder_that_is_lost_is_not_taken_for_a_new_one(tmp_path):
    DataDirectory.open(tmp_path, share_of(0, 2)).close()
    (tmp_path / "partition-1").rename(tmp_path / "aside")
    for _ in range(2):
        with pytest.raises(DirectoryUnusableError, match=r"partition-1 is missing: restore"):
            DataDirectory.open(tmp_path, share_of(1, 2))


def test_an_interrupted_first_start_with_more_partitions_is_taken(tmp_path):
    DataDirectory.open(tmp_path, share_of(0, 3)).close()
    (tmp_path / "FORMAT").unlink()
    with (
        DataDirectory.open(tmp_path, share_of(0, 2)),
        DataDirectory.open(tmp_path, share_of(1, 2)),
    ):
        assert partitions_in(tmp_path) == 2


def test_each_partition_of_an_older_directory_becomes_this_format_in_its_turn(tmp_path):
    DataDirectory.open(tmp_path, share_of(0, 2)).close()
    folders = (tmp_path, tmp_path / "partition-1")
    for index, path in enumerate(folders):
        document = {"format": 4, "created_by": "0.1.0", "partitions": 2, "partition": index}
        (path / "FORMAT").write_text(json.dumps(document))
    # A process may die between the two: then it begins with the second one the next time.
    for index, formats in enumerate([[FORMAT, 4], [FORMAT, FORMAT]]):
        DataDirectory.open(tmp_path, share_of(index, 2)).close()
        assert [format_of(path)["format"] for path in folders] == formats
    assert format_of(folders[1])["partition"] == 1
    DataDirectory.open(tmp_path, share_of(0, 2)).close()


def test_a_process_that_is_leaving_is_waited_for(tmp_path):
    DataDirectory.open(tmp_path, share_of(0, 2)).close()
    leaving = DataDirectory.open(tmp_path, share_of(1, 2))
    timer = threading.Timer(0.2, leaving.close)
    timer.start()
    DataDirectory.open(tmp_path, share_of(1, 2)).close()
    timer.join()


def test_every_refusal_is_a_storage_error():
    for refusal in (
        DirectoryInUseError,
        DirectoryUnusableError,
        OtherPartitionsError,
        UnknownFormatError,
    ):
        assert issubclass(refusal, StorageError)
