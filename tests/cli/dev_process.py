"""``perdure dev`` in a process of its own, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx

import perdure

SOURCES = Path(perdure.__file__).resolve().parents[1]
DEADLINE_S = 30.0


def until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Wait for something that another process brings about."""
    limit = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < limit, f"waited {deadline_s} s in vain: {what}"
        time.sleep(0.01)
    return found


class Dev:
    """A folder with a module, and the command that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output.txt"
        #: How the command line is started, as Python's own arguments.
        self.command = ["-m", "perdure"]
        self.process: subprocess.Popen[bytes] | None = None
        self._started = 0

    def write(self, source: str, name: str = "shop.py") -> None:
        """Write a source file; an editor puts it in place as a whole."""
        unfinished = self.folder / f"{name}.new"
        unfinished.write_text(dedent(source))
        unfinished.replace(self.folder / name)

    def start(self, *options: str, target: str | None = "shop:app", **variables: str) -> None:
        """Start to serve on free ports, with more variables in the environment."""
        targets = () if target is None else (target,)
        ports = ("--ingress-port", "0", "--admin-port", "0")
        with self.output.open("ab") as output:
            self._started = output.tell()
            self.process = subprocess.Popen(
                [sys.executable, *self.command, "dev", *targets, *ports, *options],
                cwd=self.folder,
                env={**environment(), **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        """What was printed since the last start."""
        return self.output.read_bytes()[self._started :].decode()

    def until_said(self, text: str) -> None:
        until(lambda: text in self.said or self.left, text)
        assert text in self.said, self.said

    @property
    def left(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    @property
    def url(self) -> str:
        """Where requests go, once it serves."""
        self.until_said("ingress http://")
        found = re.search(r"ingress (http://\S+)", self.said)
        assert found is not None
        return found[1]

    @property
    def admin_url(self) -> str:
        """Where operators ask, once it serves."""
        self.until_said("admin ")
        return self.said.partition("admin ")[2].split()[0]

    def ask(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return httpx.post(self.url + path, json=body, headers=headers, timeout=DEADLINE_S)

    def until_answered(self, path: str, expected: Any) -> None:
        until(lambda: self.ask(path).json() == expected, f"{path} answers {expected}")

    def children(self) -> list[int]:
        """Give the processes that it started."""
        assert self.process is not None
        return children_of(self.process.pid)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end, and give the exit code."""
        assert self.process is not None
        return self.process.wait(DEADLINE_S)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def end(self) -> None:
        """Leave nothing running."""
        if self.process is None or self.left:
            return
        for child in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.kill()
        self.process.wait(DEADLINE_S)


def environment() -> dict[str, str]:
    """Give an environment without settings of our own, but for the number of partitions."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("PERDURE_") or name == "PERDURE_DEFAULT_NUM_PARTITIONS"
    }
    return {**kept, "PYTHONPATH": str(SOURCES), "PYTHONUNBUFFERED": "1"}


def children_of(pid: int) -> list[int]:
    """Give the processes that a process started."""
    listing = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listing.split()]


def gone(pid: int) -> bool:
    """Tell whether a process has ended, with all its threads: the last one closes its files."""
    process = Path(f"/proc/{pid}")
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z" and len(list((process / "task").iterdir())) <= 1
    except FileNotFoundError:
        return True


def serving(folder: Path) -> Iterator[Dev]:
    """Give a folder to serve from, and end what was started."""
    dev = Dev(folder)
    try:
        yield dev
    finally:
        dev.end()
