"""The event loop of a command that serves, and how its process is left."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading

from perdure.cli.loops import TimedLines, run, show_log


def test_steps_that_wait_run_side_by_side_however_few_processors_there_are():
    together = threading.Barrier(48)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(
            *(loop.run_in_executor(None, together.wait, 20) for _ in range(together.parties))
        )

    run(main)
    assert not together.broken


def test_an_application_that_configures_its_log_does_not_silence_ours():
    logger = logging.getLogger("perdure.engine")
    logger.disabled = True  # As dictConfig does to all that it is not told of.
    show_log(times=True)
    assert not logger.disabled


def test_a_line_of_the_log_has_its_time_in_utc():
    record = logging.LogRecord("perdure.engine", logging.WARNING, "", 0, "%s", ("the disk",), None)
    record.created, record.msecs = 1_795_375_206.007, 7.0
    assert TimedLines().format(record) == (
        "2026-11-22T19:20:06.007Z WARNING perdure.engine: the disk"
    )


def test_processes_of_steps_end_with_the_process():
    program = (
        "import multiprocessing, threading, time\n"
        "from perdure.cli.leaving import leave_threads_behind\n"
        "multiprocessing.get_context('spawn').Process(target=time.sleep, args=(60,)).start()\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "leave_threads_behind(7)\n"
    )
    # It takes all of them to close the output.
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=30, check=False
    )
    assert finished.returncode == 7


def test_a_stop_does_not_depend_on_who_reads_the_output():
    program = (
        "import os, signal\n"
        "from perdure.cli.loops import run, stop_signal\n"
        "async def main():\n"
        "    stop = stop_signal()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await stop\n"
        "run(main)\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as unread:
        finished = subprocess.run(
            [sys.executable, "-c", program],
            stdout=unread,
            stderr=unread,
            timeout=30,
            check=False,
        )
    assert finished.returncode == 0
