"""Counting how often a system waits for the disk, the same way for every system.

The kernel counts the calls of fsync and fdatasync, and those that ask it for either in the
background (io_submit), through ``perf``. Where that is missing or not allowed there is no figure.
The count has a load of its own, because counting costs a little.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks.load import Load, run_load
from benchmarks.processes import members

EVENTS = (
    "syscalls:sys_enter_fsync",
    "syscalls:sys_enter_fdatasync",
    "syscalls:sys_enter_io_submit",
)


def syncs_per_request(load: Load) -> float | None:
    """Put a load on a system and count its syncs; None if they cannot be counted here.

    Raises:
        LoadError: a response was wrong, or a connection broke.
    """
    if shutil.which("perf") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "counts")
        pids = ",".join(str(pid) for pid, _ in members(load.sessions))
        under = ("perf", "stat", "-x", ",", "-o", str(output), "-e", ",".join(EVENTS), "-p", pids)
        if not permitted(under):
            return None
        result = run_load(load, under=(*under, "--"))
        total = parse_counts(output.read_text())
    return None if total is None else total / result.requests_in_all


def permitted(under: tuple[str, ...]) -> bool:
    """Tell whether ``perf`` may count these processes."""
    return subprocess.run([*under, "true"], capture_output=True, check=False).returncode == 0


def parse_counts(text: str) -> int | None:
    """Add up the counts that ``perf stat -x ,`` wrote; None if one is missing."""
    counts = [line.split(",")[0] for line in text.splitlines() if "syscalls:" in line]
    if len(counts) != len(EVENTS) or not all(map(str.isdigit, counts)):
        return None
    return sum(map(int, counts))
