"""The real command in a process of its own: what it says, how it exits, and what it imports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from dev_process import DEADLINE_S, Dev, environment, until

from perdure.cli.errors import EXIT_SERVER, EXIT_USAGE

GREETER = """
    import perdure

    greeter = perdure.Service("Greeter")

    @greeter.handler()
    async def greet(ctx: perdure.Context, name: str) -> str:
        return f"Hello {name}"

    app = perdure.app([greeter])
"""

STUCK = """
    import asyncio, perdure

    stuck = perdure.Service("Stuck")

    @stuck.handler()
    async def wait(ctx: perdure.Context) -> None:
        print("stuck", flush=True)
        await ctx.run_typed("forever", asyncio.sleep, delay=3600)

    app = perdure.app([stuck])
"""


BLOCKED = """
    import time, perdure

    stuck = perdure.Service("Stuck")

    @stuck.handler()
    async def wait(ctx: perdure.Context) -> None:
        await ctx.run_typed("forever", block)

    def block() -> None:
        print("stuck", flush=True)
        time.sleep(3600)

    app = perdure.app([stuck])
"""


def run(dev: Dev, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "perdure", *arguments],
        cwd=dev.folder,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def ends_with(finished, exit_code: int, *told: str) -> None:
    """Check that a command told what is wrong, on stderr, without a traceback of its own."""
    assert finished.returncode == exit_code, finished.stderr
    for text in told:
        assert text in finished.stderr
    assert finished.stdout == ""
    assert finished.stderr.startswith("error: ")


# -- Before it serves


def test_help_and_version_load_nothing_that_is_heavy(dev):
    program = (
        "import sys\n"
        "sys.argv = ['perdure', '--help']\n"
        "from perdure.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n    pass\n"
        "print('loaded:', *sys.modules)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=dev.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    usage, _, loaded = finished.stdout.partition("loaded:")
    assert "dev" in usage
    heavy = {"uvicorn", "starlette", "uvloop", "rocksdict", "watchfiles", "httpx", "pydantic"}
    heavy |= {"rich", "pyarrow", "datafusion"}
    assert heavy.isdisjoint(loaded.split())
    assert not any(name.startswith("perdure.engine") for name in loaded.split())


def test_a_mistake_in_the_target_is_told_in_a_line(dev):
    ends_with(run(dev, "dev", "shop", "--no-reload"), EXIT_USAGE, "write module:app")
    ends_with(run(dev, "dev", "shop:app", "--no-reload"), EXIT_USAGE, "no module 'shop'")


def test_an_error_of_the_user_s_code_is_shown_with_its_traceback(dev):
    dev.write("1 / 0")
    finished = run(
        dev, "dev", "shop:app", "--no-reload", "--ingress-port", "0", "--admin-port", "0"
    )
    ends_with(finished, EXIT_USAGE, "Traceback", "shop.py", "ZeroDivisionError")


def test_an_environment_that_is_not_understood_is_told(dev):
    finished = run(dev, "dev", "shop:app", PERDURE_SHUTDOWN_TIMEOUT="soon")
    ends_with(finished, EXIT_USAGE, "PERDURE_SHUTDOWN_TIMEOUT", "'soon'")


def test_a_file_of_the_settings_that_is_not_there_is_told(dev):
    dev.write(GREETER)
    missing = {"PERDURE_WORKER__INVOKER__CA_FILE": "nowhere.pem"}
    finished = run(dev, "dev", "shop:app", "--no-reload", "-r", **missing)
    ends_with(finished, EXIT_USAGE, "[RT0002] worker.invoker.ca-file: nowhere.pem")
    assert "Traceback" not in finished.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_user_without_a_name_and_a_home_needs_none(dev):
    """As in containers: what servers do needs no folder of the user's."""
    program = (
        "import os\n"
        "from perdure.cli.surroundings import Surroundings\n"
        "os.environ.pop('HOME', None)\n"
        "os.setuid(54321)\n"
        "print(Surroundings().home)\n"
    )
    finished = run_program(dev, program)
    assert (finished.stdout, finished.stderr) == ("/\n", "")


def test_an_application_decides_how_its_log_looks(dev):
    dev.write(
        GREETER.replace(
            'return f"Hello {name}"', 'logging.debug("greets %s", name); return f"Hello {name}"'
        ).replace(
            "import perdure",
            "import logging, perdure; logging.basicConfig(level=0, format='mine: %(message)s')",
        )
    )
    dev.start("--no-reload")
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada"
    assert "mine: greets Ada" in dev.said
    assert dev.stop() == 0


def test_nothing_is_left_open(dev):
    dev.write(GREETER)
    dev.start(PYTHONWARNINGS="error")
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada"
    assert dev.stop() == 0
    assert "Warning" not in dev.said


def test_asked_again_just_as_it_ends_it_leaves_without_a_traceback(dev):
    program = (
        "import asyncio, sys\n"
        "from perdure.cli.loops import run\n"
        "async def main():\n"
        "    asyncio.get_running_loop().call_soon(sys.exit, 143)\n"
        "run(main)\n"
    )
    finished = run_program(dev, program)
    assert (finished.returncode, finished.stderr) == (143, "")


def test_a_folder_that_was_deleted_is_told(dev):
    (dev.folder / "gone").mkdir()
    program = (
        "import os, sys\n"
        "os.chdir('gone')\n"
        "os.rmdir('../gone')\n"
        "sys.argv = ['perdure', 'whoami']\n"
        "from perdure.cli.main import main\n"
        "main()\n"
    )
    ends_with(run_program(dev, program), EXIT_USAGE, "the current folder was deleted")


def run_program(dev: Dev, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that ends by itself."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=dev.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_options_that_are_wrong_are_told(dev):
    finished = run(dev, "dev", "shop:app", "--ingress-port", "70000")
    assert finished.returncode == EXIT_USAGE
    assert "--ingress-port" in finished.stderr


@pytest.mark.parametrize(
    ("door", "reload"), [("ingress", ["--no-reload"]), ("admin", [])], ids=["once", "reloading"]
)
def test_a_port_that_is_taken_is_told(dev, door, reload):
    dev.write(GREETER)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = {"--ingress-port": "0", "--admin-port": "0", f"--{door}-port": port}
        arguments = [text for option in ports.items() for text in option]
        finished = run(dev, "dev", "shop:app", *reload, *arguments)
    ends_with(finished, EXIT_SERVER, f"port {port}", f"--{door}-port")


def test_a_service_that_contradicts_an_earlier_one_is_told(dev):
    dev.write(GREETER)
    dev.start("--no-reload")
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada"
    assert dev.stop() == 0
    dev.write("import perdure\napp = perdure.app([perdure.VirtualObject('Greeter')])")
    dev.start("--no-reload")
    assert dev.wait() == EXIT_USAGE
    assert "give the new service another name" in dev.said


@pytest.mark.parametrize("command", ["dev", "serve"])
def test_definitions_that_do_not_fit_together_are_told_in_a_line(dev, command):
    dev.write("import perdure\napp = perdure.app([perdure.Workflow('W')])")
    finished = run(dev, command, "shop:app", *(["--no-reload", "-r"] if command == "dev" else []))
    ends_with(finished, EXIT_USAGE, "shop:app", "workflow 'W' has no main handler")
    assert "Traceback" not in finished.stderr


# -- While it serves


def test_it_serves_and_leaves_when_asked(dev):
    dev.write(GREETER)
    dev.start("--no-reload")
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada"
    assert "Greeter (service, r1): greet" in dev.said
    assert f"try:  curl {dev.url}/Greeter/greet --json '\"World\"'" in dev.said
    began = time.monotonic()
    dev.signal(signal.SIGINT)
    assert dev.wait() == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in dev.said
    assert (dev.folder / "perdure-data").is_dir()


@pytest.mark.parametrize("reload", [["--no-reload"], []], ids=["once", "reloading"])
def test_a_data_directory_in_use_is_told(dev, tmp_path, reload):
    dev.write(GREETER)
    dev.start("--no-reload")
    assert dev.ask("/Greeter/greet", "Ada").status_code == 200
    finished = run(dev, "dev", "shop:app", *reload, "--ingress-port", "0", "--admin-port", "0")
    assert finished.returncode == EXIT_SERVER
    assert "perdure-data" in finished.stderr
    assert "use" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert dev.ask("/Greeter/greet", "Ada").status_code == 200
    assert dev.stop() == 0


@pytest.mark.parametrize("source", [STUCK, BLOCKED], ids=["waiting", "blocked"])
@pytest.mark.parametrize("reload", [["--no-reload"], []], ids=["once", "reloading"])
def test_asked_twice_it_leaves_at_once(dev, reload, source):
    dev.write(source)
    dev.start(*reload)
    assert dev.ask("/Stuck/wait/send").status_code == 202
    dev.until_said("stuck")
    dev.signal(signal.SIGINT)
    dev.until_said("once more to leave at once")
    dev.signal(signal.SIGINT)
    began = time.monotonic()
    assert dev.wait() == 128 + signal.SIGINT
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("source", [STUCK, BLOCKED], ids=["waiting", "blocked"])
@pytest.mark.parametrize("reload", [["--no-reload"], []], ids=["once", "reloading"])
def test_asked_once_it_leaves_in_bounded_time(dev, reload, source):
    dev.write(source)
    dev.start(*reload, PERDURE_SHUTDOWN_TIMEOUT="300ms")
    assert dev.ask("/Stuck/wait/send").status_code == 202
    dev.until_said("stuck")
    began = time.monotonic()
    assert dev.stop() == 0
    assert 0.3 <= time.monotonic() - began < 4


HANGING = """
    import contextlib, time
    import perdure

    @contextlib.asynccontextmanager
    async def lifespan():
        yield
        time.sleep(1000)

    app = perdure.app([perdure.Service("Greeter")], lifespan=lifespan)
    """


@pytest.mark.parametrize("reload", [["--no-reload"], []], ids=["once", "reloading"])
def test_a_stop_that_hangs_ends_with_a_reason(dev, reload):
    dev.write(HANGING)
    dev.start(*reload, PERDURE_SHUTDOWN_TIMEOUT="100ms")
    dev.until_said("ingress http")
    assert dev.stop() == EXIT_SERVER
    assert "the stop has not come to its end within 5.1 s" in dev.said


@pytest.mark.parametrize("reload", ["--no-reload", "-r"], ids=["once", "reloading"])
def test_it_serves_where_no_standard_stream_is_open(dev, reload):
    """As some supervisors start processes: what is opened first must not take their places."""
    dev.write(GREETER)
    command = [sys.executable, "-m", "perdure", "dev", "shop:app", "--ingress-port", "{port}"]
    port = free_port()
    program = "import os, sys\nos.closerange(0, 3)\nos.execv(sys.argv[1], sys.argv[1:])\n"
    arguments = [word.format(port=port) for word in command]
    dev.process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments, "--admin-port", "0", reload],
        cwd=dev.folder,
        env=environment(),
    )
    asked = f"http://127.0.0.1:{port}/Greeter/greet"
    assert until(lambda: answer_of(asked), "an answer") == "Hello Ada"
    held = Path(f"/proc/{dev.process.pid}/fd")
    assert {str((held / str(number)).readlink()) for number in range(3)} == {"/dev/null"}
    assert dev.stop() == 0


def answer_of(url: str) -> object:
    """Give the answer, or None if nobody does within a moment."""
    try:
        return httpx.post(url, json="Ada", timeout=2).json()
    except httpx.TransportError:
        return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
