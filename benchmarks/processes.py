"""Programs under measurement: starting and stopping them, and what they use, from ``/proc``.

Each program leads a session of its own, so that its children are found however deep they are, and
whatever has become of those between.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
POLL_S = 0.005


class ProgramError(Exception):
    """A program under measurement did not start or died; the message has its last output."""


class Program:
    """A running program, leader of a session of its own, with its output in a file."""

    def __init__(
        self, command: Sequence[str], *, folder: Path, env: Mapping[str, str], log: Path
    ) -> None:
        self.command = command
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.session = self.process.pid

    def check(self) -> None:
        """Raise ProgramError if the program has ended."""
        if self.process.poll() is not None:
            raise ProgramError(self.described(f"ended with status {self.process.returncode}"))

    def described(self, what: str) -> str:
        """Say what happened to the program, with the end of its output."""
        tail = self.log.read_text(errors="replace")[-2000:]
        return f"{' '.join(self.command)} {what}; its last output:\n{tail}"

    def stop(self, grace_s: float = 20) -> None:
        """Ask the program to end, and make it end when the grace has passed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.kill()

    def kill(self) -> None:
        """End the program and all its children at once."""
        for pid, _ in members([self.session]):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def end_tidily() -> None:
    """Let SIGTERM end this process as Ctrl-C does: the programs it started are stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def wait_for(
    condition: Callable[[], bool], programs: Collection[Program], *, what: str, timeout_s: float
) -> None:
    """Wait until a condition holds.

    Raises:
        ProgramError: a program ended before, or the time is over.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        for program in programs:
            program.check()
        if time.monotonic() > deadline:
            stories = "\n".join(program.described("still runs") for program in programs)
            raise ProgramError(f"{what} did not happen within {timeout_s} s\n{stories}")
        time.sleep(POLL_S)


def members(sessions: Collection[int]) -> list[tuple[int, list[str]]]:
    """Give process id and the fields of ``stat`` behind the name, of each process alive.

    Those of the sessions, and what they have started, in whatever session that is.
    """
    alive = dict(_processes())
    belong: set[int] = set()
    found = {pid for pid, fields in alive.items() if int(fields[3]) in sessions}
    while found:
        belong |= found
        found = {pid for pid, fields in alive.items() if int(fields[1]) in found} - belong
    return [(pid, alive[pid]) for pid in belong]


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            text = Path(entry.path, "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended while we looked.
        fields = text[text.rindex(")") + 2 :].split()
        if fields[0] != "Z":
            yield int(entry.name), fields


def cpu_seconds(sessions: Collection[int]) -> float:
    """Give the processor time that these sessions have used, ended children included."""
    # utime, stime, and the same of children that were waited for; see proc_pid_stat(5).
    return sum(sum(map(int, fields[11:15])) for _, fields in members(sessions)) / TICKS_PER_SECOND


def resident_bytes(sessions: Collection[int]) -> int:
    """Give the resident memory of these sessions; pages that processes share count for each."""
    return sum(map(resident_bytes_of, [pid for pid, _ in members(sessions)]))


def resident_bytes_of(pid: int) -> int:
    """Give the resident memory of one process; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))
