"""Whether tools are there is told by the tools themselves; here they are scripts."""

from __future__ import annotations

import pytest
from tool_chains import TOOL_CHAINS, MissingError, Tool, main, need


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Give what puts a tool, which says so much of itself, in the place of all others."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(command: str, said: str, status: int = 0) -> None:
        script = tmp_path / command
        script.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {status}\n")
        script.chmod(0o755)

    return put


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("go", "go version go1.21.3 linux/amd64"),
        ("go", "go version go2.0 linux/amd64"),
        ("go", "\x1b[1mgo 1.26\x1b[m"),
    ],
)
def test_a_tool_that_is_new_enough_will_do(tools, command, said):
    tools(command, said)
    assert Tool(command, "version", (1, 21)).fault() is None


@pytest.mark.parametrize(
    ("said", "status", "fault"),
    [
        ("javac 11.0.2", 0, "has version 11.0, and 17.0 is needed"),
        ("javac 9", 0, "has version 9, and 17.0 is needed"),
        ("javac 17.0.2", 1, "does not tell its version"),
        ("hello", 0, "does not tell its version"),
    ],
)
def test_a_tool_that_will_not_do_is_told(tools, said, status, fault):
    tools("javac", said, status)
    assert fault in Tool("javac", "-version", (17, 0)).fault()


def test_what_is_missing_is_told_with_what_to_install(tools):
    tools("cc", "cc 12.2")
    with pytest.raises(MissingError) as failure:
        need("rust")
    told = str(failure.value)
    assert told.startswith("cargo is not installed. `make interop-rust` tries to install it.")
    assert TOOL_CHAINS["rust"].advice in told
    assert "cc is" not in told


def test_where_there_are_no_packages_of_debian_the_advice_is_told(tools, capsys):
    tools("java", "openjdk version 21")
    tools("javac", "javac 21")
    assert main("java") == 1
    told = capsys.readouterr().err
    assert told.startswith("java cannot be tried: mvn is not installed. Install a JDK")


def test_nothing_is_installed_where_nothing_is_missing(tools, capsys):
    for command in ("java", "javac", "mvn"):
        tools(command, "version 21.0")
    assert main("java") == 0
    assert capsys.readouterr() == ("", "")
