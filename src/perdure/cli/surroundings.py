"""What commands touch of the world around them, given so that a test can be that world."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from perdure.cli.env_file import with_env_file


def _find_home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        # A user without a name, as containers have: the root is where Docker puts it, too.
        return Path("/")


def _run_editor(command: list[str]) -> int:
    return subprocess.run(command, check=False).returncode  # noqa: S603 - the user's own editor


def _ask(question: str) -> bool:
    return click.confirm(question, err=True)


def _read_input() -> str:
    return sys.stdin.read()


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The world of one run of the command line."""

    #: Variables of the environment.
    environment: Mapping[str, str] = field(
        default_factory=lambda: with_env_file(os.environ, Path.cwd())
    )
    #: Folder of the user's own files.
    home: Path = field(default_factory=_find_home)
    #: What carries requests, as ``httpx`` takes it; None opens real connections.
    transport: Any = None
    #: Seconds since the epoch.
    now: Callable[[], float] = time.time
    #: Waits that many seconds.
    sleep: Callable[[float], None] = time.sleep
    #: Runs the words of a command and gives its exit code.
    run_editor: Callable[[list[str]], int] = _run_editor
    #: Reads standard input to its end.
    read_input: Callable[[], str] = _read_input
    #: Whether somebody is there to be asked.
    has_terminal: Callable[[], bool] = _has_terminal
    #: Asks a question and gives whether the answer is yes.
    ask: Callable[[str], bool] = _ask
