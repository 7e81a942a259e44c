"""``perdure example``: what is written out runs as it stands."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_world import User
from dev_process import environment

from perdure.cli.errors import EXIT_REFUSED, EXIT_USAGE
from perdure.cli.examples import examples_folder, list_examples

NAMES = [example.name for example in list_examples(examples_folder())]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_examples_are_listed_with_what_they_show():
    rows = User().runs("example", "--json").json
    assert rows[0].keys() == {"name", "summary"}
    assert [row["name"] for row in rows] == NAMES == sorted(NAMES)
    assert all(row["summary"] for row in rows)
    assert {"greeter", "saga", "workflow"} <= set(NAMES)
    assert not {"main", "outside", "__init__"} & set(NAMES)
    assert "greeter" in User().runs("exa").out


def test_an_example_is_written_to_a_folder_of_its_own(folder):
    ran = User().runs("example", "saga")
    assert ran.code == 0
    assert ran.out.splitlines() == ["saga/saga.py", "saga/outside.py"]
    assert "cd saga && perdure dev saga:app" in ran.err


def test_examples_run_where_they_are_written(folder):
    for name in NAMES:
        assert User().runs("example", name, "--output-directory", "all").code == 0
    lines = (f"import {name}; assert {name}.app.host().manifest().services" for name in NAMES)
    done = subprocess.run(
        [sys.executable, "-B", "-c", "\n".join(lines)],
        cwd=folder / "all",
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_an_example_is_written_where_that_is_asked_for(folder):
    ran = User().runs("example", "saga", "--output-directory", "deep/down", "--json")
    assert ran.json == {"name": "saga", "files": ["deep/down/saga.py", "deep/down/outside.py"]}


def test_what_is_there_is_left_alone(folder):
    assert User().runs("example", "saga").code == 0
    assert User().runs("example", "saga").code == 0, "the same again is no harm"
    (folder / "saga" / "saga.py").write_text("mine")
    ran = User().runs("example", "saga")
    assert ran.code == EXIT_REFUSED
    assert "--output-directory" in ran.err
    assert (folder / "saga" / "saga.py").read_text() == "mine"


def test_what_cannot_be_written_is_told(folder):
    assert "there are building_blocks" in (ran := User().runs("example", "nope")).err
    assert ran.code == EXIT_USAGE
    (folder / "file").touch()
    ran = User().runs("example", "saga", "--output-directory", "file/below")
    assert ran.code == EXIT_REFUSED
    assert "cannot be written" in ran.err
