"""A system under measurement: processes that start together on a folder, ready for requests."""

from __future__ import annotations

import os
import random
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar, Self

from benchmarks import peers
from benchmarks.asking import ask
from benchmarks.processes import Program, wait_for

ROOT = Path(__file__).parent.parent
START_S_MAX = 60
#: Below the range from which Linux gives ports by itself.
PORTS = (10_000, 32_000)
#: The environment in which our own commands find this project.
OURS = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


class System(ABC):
    """A system on a folder of its own; it runs during the body of its ``with`` statement.

    A second ``with`` statement starts it again where it was.
    """

    #: How tables call it.
    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.admin_port = free_port()
        self.programs: list[Program] = []
        #: From the start of the first process to the first answered call.
        self.start_s = 0.0

    @classmethod
    @abstractmethod
    def install(cls) -> None:
        """Fetch what the system needs, before anything is measured."""

    @abstractmethod
    def launch(self) -> None:
        """Start the processes, and see to it that they will take calls."""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.programs.clear()
        started = time.perf_counter()
        with ExitStack() as unless_started:
            unless_started.callback(self.stop)
            self.launch()
            self.wait_until(lambda: self.answers("/Bench/empty"), "the first call")
            unless_started.pop_all()
        self.start_s = time.perf_counter() - started
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def sessions(self) -> tuple[int, ...]:
        """Sessions of all processes of the system, servers and services."""
        return tuple(program.session for program in self.programs)

    @property
    def server_sessions(self) -> tuple[int, ...]:
        """Those of them that are the server's, where handlers have processes of their own."""
        return self.sessions

    def stop(self) -> None:
        """Stop the processes, the last started first."""
        for program in reversed(self.programs):
            program.stop()

    def kill(self) -> None:
        """End all processes at once."""
        for program in self.programs:
            program.kill()

    def start(self, *command: str | Path, env: Mapping[str, str]) -> None:
        """Start one process in the root of the project, with its output in the folder."""
        log = self.folder / f"output-{len(self.programs)}.log"
        words = [str(word) for word in command]
        self.programs.append(Program(words, folder=ROOT, env=env, log=log))

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds, as long as the processes live."""
        wait_for(condition, self.programs, what=what, timeout_s=START_S_MAX)

    def url(self, path: str) -> str:
        """Give the address of a path behind the ingress."""
        return f"http://127.0.0.1:{self.port}{path}"

    def answers(self, path: str) -> bool:
        """Tell whether a call gets its 200 yet."""
        return status(self.url(path)) == 200


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give an empty folder beside the peers, not in ``/tmp``, which may not be a disk at all."""
    peers.FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=peers.FOLDER) as folder:
        yield Path(folder)


def free_port() -> int:
    """Give a port that was free a moment ago, and that nobody gets who asks for any port.

    The kernel takes the ports of outgoing connections, and those bound as port 0, from a range
    of its own; one of these might be taken again before the system binds it.
    """
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def status(url: str, value: object = None) -> int | None:
    """Give the status that a POST gets; None if nobody answers yet."""
    try:
        return ask(url, value).status
    except OSError:
        return None
