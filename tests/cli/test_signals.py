"""Signals that ask a process to stop: late ones, too many, and those meant for others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dev_process import DEADLINE_S, Dev, environment, until
from test_dev_command import free_port
from test_serve_command import is_free, serve

from perdure.cli.errors import EXIT_SERVER

#: Sends itself signals when everything is written, and the process has only to leave: before Python
#: forgets its handlers of signals, and after that.
LATE = """
    import atexit, contextlib, os, signal, sys
    import perdure

    def ask(kill=os.kill, pid=os.getpid(), numbers=(signal.SIGTERM, signal.SIGINT)):
        for number in numbers:
            kill(pid, number)

    class Latest:
        def __del__(self, ask=ask, write=os.write):
            ask()
            write(1, b"late\\n")

    atexit.register(ask)
    sys.latest = Latest()

    @contextlib.asynccontextmanager
    async def lifespan():
        print("begun", flush=True)
        yield

    app = perdure.app([perdure.Service("Greeter")], lifespan=lifespan)
"""

#: Is asked once more as soon as it stops.
TWICE = """
    import asyncio, contextlib, os, signal
    import perdure

    @contextlib.asynccontextmanager
    async def lifespan():
        print("begun", flush=True)
        yield
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.2)
        print("all done", flush=True)

    app = perdure.app([perdure.Service("Greeter")], lifespan=lifespan)
"""

#: Never comes to an end of its own.
ENDLESS = """
    import atexit, time
    import perdure

    atexit.register(time.sleep, 1000)
    app = perdure.app([perdure.Service("Greeter")])
"""

#: Has a process of its own for a step, which a Ctrl-C on the terminal reaches, too, and ends it.
POOL = """
    import multiprocessing, os, signal, time
    import perdure

    greeter = perdure.Service("Greeter")

    def end_another() -> list[int]:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        os.kill(child.pid, signal.SIGINT)
        child.terminate()
        child.join(20)
        return [child.exitcode]

    @greeter.handler()
    async def pool(ctx: perdure.Context) -> list[int]:
        return await ctx.run_typed("pool", end_another)

    app = perdure.app([greeter])
"""


@pytest.fixture(autouse=True)
def only_options_say_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_DEFAULT_NUM_PARTITIONS", raising=False)


def start(dev: Dev, source: str, *options: str, **variables: str) -> None:
    dev.write(source)
    dev.start(*options, **variables)
    assert dev.url


def serve_and_stop(folder: Path, workers: int, source: str) -> str:
    """Serve for a server elsewhere, stop when all workers have begun, and give what was said."""
    output = folder / "output.txt"
    options = ("--workers", str(workers))

    def ready() -> bool:
        return output.read_text().count("begun") == workers

    with serve(folder, free_port(), *options, ready=ready, source=source) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    return output.read_text()


@pytest.mark.parametrize(
    ("options", "processes"),
    [(["--no-reload"], 1), ([], 1), (["--no-reload", "--partitions", "2"], 2)],
    ids=["once", "reloading", "partitions"],
)
def test_a_signal_that_comes_when_everything_is_written_does_no_harm(dev, options, processes):
    start(dev, LATE, *options)
    assert dev.stop() == 0, dev.said
    assert dev.said.count("late") == processes
    assert "Traceback" not in dev.said


@pytest.mark.parametrize("workers", [1, 2])
def test_nor_does_it_to_who_serves_for_a_server_elsewhere(tmp_path, workers):
    said = serve_and_stop(tmp_path, workers, LATE)
    assert said.count("late") == (1 if workers == 1 else 1 + workers)


def test_a_child_that_was_asked_late_is_not_taken_for_one_that_died(dev):
    start(dev, LATE)
    (child,) = dev.children()
    os.kill(child, signal.SIGTERM)
    dev.until_said("waiting for a change of the source")
    assert "ended by signal" not in dev.said
    assert dev.stop() == 0


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_signal_that_comes_just_as_the_event_loop_has_closed_does_no_harm(tmp_path, loop):
    program = (
        "import asyncio, os, signal, sys\n"
        "if sys.argv[1] == 'asyncio':\n"
        "    sys.modules['uvloop'] = None\n"
        "from perdure.cli.loops import run, stop_signal\n"
        "real = asyncio.Runner.close\n"
        "def close(runner):\n"
        "    real(runner)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('closed')\n"
        "asyncio.Runner.close = close\n"
        "async def main():\n"
        "    stop = stop_signal()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await stop\n"
        "run(main)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, loop],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (0, b"closed\n")


def test_a_second_signal_leaves_at_once_whatever_the_application_does_at_the_end(dev):
    start(dev, TWICE, "--no-reload")
    assert dev.stop() == 128 + signal.SIGTERM
    assert "all done" not in dev.said


def test_what_a_parent_passes_on_is_no_second_signal(dev):
    """Service managers send it to all processes, and so a child gets it from its parent again."""
    start(dev, TWICE)
    assert dev.stop() == 0
    assert "all done" in dev.said


def test_nor_is_it_to_workers(tmp_path):
    assert serve_and_stop(tmp_path, 2, TWICE).count("all done") == 2


def test_workers_leave_at_once_with_a_parent_that_was_asked_twice(tmp_path):
    output = tmp_path / "output.txt"
    source = TWICE.replace("sleep(0.2)", "sleep(1000)")

    def ready() -> bool:
        return output.read_text().count("begun") == 2

    port = free_port()
    with serve(tmp_path, port, "--workers", "2", ready=ready, source=source) as process:
        process.send_signal(signal.SIGTERM)
        until(lambda: output.read_text().count("stopping") == 3, "the stop of all")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 128 + signal.SIGTERM
        until(lambda: is_free(port), "the end of the workers", 5)
    assert "Traceback" not in output.read_text()


@pytest.mark.parametrize("options", [["--no-reload"], []], ids=["once", "reloading"])
def test_an_application_that_does_not_let_its_process_leave_is_left(dev, options):
    start(dev, ENDLESS, *options, PERDURE_SHUTDOWN_TIMEOUT="100ms")
    assert dev.stop() == EXIT_SERVER
    assert "the stop has not come to its end within 5.1 s" in dev.said


@pytest.mark.parametrize("partitions", ["1", "2"])
def test_a_signal_to_a_process_that_a_step_has_is_none_to_the_server(dev, partitions):
    start(dev, POOL, "--no-reload", "--partitions", partitions)
    for _ in range(2):
        assert dev.ask("/Greeter/pool").json() == [-signal.SIGTERM]
    assert "stopping" not in dev.said
    assert dev.stop() == 0
