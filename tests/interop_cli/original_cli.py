"""The command line of the system we implement, run as its users run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

VERSION = "1.7.12"
PACKAGE = f"@restatedev/restate@{VERSION}"
FOLDER = Path(__file__).parent / ".cli"
BINARY = FOLDER / "node_modules" / ".bin" / "restate"
INSTALL_S = 110
COMMAND_S = 60

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def install() -> str | None:
    """Install the command line if it is not there; say why it is not there afterwards."""
    if BINARY.exists():
        return None
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    FOLDER.mkdir(exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(FOLDER), PACKAGE]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        return "npm install takes too long"
    return None if done.returncode == 0 else f"npm install failed: {done.stderr[-400:]}"


class RefusedError(AssertionError):
    """A command failed; the text is what it said."""


class OriginalCli:
    """Runs commands against an admin API, and answers yes to all they ask."""

    def __init__(self, admin: str, ingress: str, home: Path) -> None:
        self._home = home
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "RESTATE_CLI_CONFIG_HOME": str(home),
            "RESTATE_ADMIN_URL": admin,
            "RESTATE_INGRESS_URL": ingress,
            "CI": "1",
            "NO_COLOR": "1",
            "DO_NOT_TRACK": "1",
        }

    def __call__(
        self, *words: str, edit: tuple[str, str] | None = None, without: tuple[str, ...] = ()
    ) -> str:
        """Run a command; give what it writes to stdout.

        Args:
            words: the command.
            edit: text to be replaced, and by which, in the file that is opened in an editor; an
                empty text is the end of the file.
            without: variables of the environment that are not set.
        """
        environment = {
            name: value for name, value in self._environment.items() if name not in without
        }
        if edit is not None:
            environment["RESTATE_EDITOR"] = str(self._editor(*edit))
        done = subprocess.run(
            [BINARY, *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_S,
        )
        if done.returncode:
            raise RefusedError(_STYLE.sub("", done.stderr))
        return _STYLE.sub("", done.stdout)

    def _editor(self, old: str, new: str) -> Path:
        script = self._home / "editor"
        change = f"sed -i 's|{old}|{new}|'" if old else f"printf '{new}' >>"
        script.write_text(f'#!/bin/sh\nexec {change} "$1"\n')
        script.chmod(0o755)
        return script
