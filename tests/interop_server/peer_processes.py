"""Processes of the tests: our server, and services in the official SDKs."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple, Self

import httpx
from interop_peer import IDENTITY_PEM
from peer_languages import Language

from perdure.protocol.identity import Signer

START_S = 60
ANSWER_S = 60
END_S = 10
#: Of a server that has several.
PARTITIONS = 2
#: Makes a connection for each request: what it talks to is killed and started again.
HTTP = httpx.Client(timeout=ANSWER_S, limits=httpx.Limits(max_keepalive_connections=0))


class Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def post(
    url: str, value: object = None, content_type: str = "application/json", **headers: str
) -> Answer:
    """Send JSON, or bytes as they are; nothing at all for None."""
    if value is not None:
        headers["content-type"] = content_type
    data = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    response = HTTP.post(url, content=data, headers=headers)
    return Answer(response.status_code, response.content)


def get(url: str) -> Answer:
    response = HTTP.get(url)
    return Answer(response.status_code, response.content)


def eventually(read, expected, deadline_s=30):
    """Wait until something reads as expected."""
    deadline = time.monotonic() + deadline_s
    while (found := read()) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


class Process:
    """A process at an address of its own, that can be killed and started again."""

    def __init__(self, command: Sequence[str], folder: Path, log: Path, **environment: str) -> None:
        self.log = log
        self._command = command
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while not self.ready():
            assert self._process.poll() is None, self.said()[-4000:]
            assert time.monotonic() < deadline, self.said()[-4000:]
            time.sleep(0.05)

    def ready(self) -> bool:
        raise NotImplementedError

    def kill(self) -> None:
        """Pull the plug, of the processes that it started too (hypercorn serves in such)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self.kill()

    def said(self) -> str:
        """Give what it wrote so far, in all its lives."""
        return self.log.read_text(errors="replace")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()


def restart(*processes: Process) -> None:
    """Kill processes, and start them again in the other order."""
    for process in processes:
        process.kill()
    for process in reversed(processes):
        process.start()


class Services(Process):
    """Services in one of the languages; one of the programs written in it."""

    def __init__(
        self,
        language: Language,
        folder: Path,
        app: str,
        *,
        http1: bool = False,
        port: int | None = None,
        **environment: str,
    ) -> None:
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        command = language.serve(self.port, app, http1)
        log = folder / f"{language.name}-{app}.log"
        super().__init__(command, language.folder, log, **environment)

    def ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Server(Process):
    """``perdure server`` on a folder of its own, with its settings as ``key=value``."""

    def __init__(self, folder: Path, *settings: str) -> None:
        ports = free_port(), free_port()
        self.ingress, self.admin = (f"http://127.0.0.1:{port}" for port in ports)
        command = [sys.executable, "-m", "perdure", "server", "--base-dir", str(folder / "data")]
        command += ["--ingress-port", str(ports[0]), "--admin-port", str(ports[1])]
        for setting in settings:
            command += ["--set", setting]
        super().__init__(command, folder, folder / "server.log")

    def ready(self) -> bool:
        try:
            healthy = HTTP.get(f"{self.admin}/health").status_code == 200
            return healthy and HTTP.get(f"{self.ingress}/restate/health").status_code == 200
        except httpx.TransportError:
            return False


class World(NamedTuple):
    """A server of ours, with services of one language registered.

    Attributes:
        suspends: whether an invocation that waits is suspended at once.
    """

    language: Language
    server: Server
    services: Services
    suspends: bool

    @property
    def ingress(self) -> str:
        return self.server.ingress

    @property
    def admin(self) -> str:
        return self.server.admin

    def call(self, path: str, value: object = None, **headers: str) -> Answer:
        return post(f"{self.ingress}{path}", value, **headers)

    def submit(self, path: str, value: object = None) -> str:
        """Start an invocation; give its id."""
        answer = self.call(f"{path}/send", value)
        assert answer.status == 202, answer
        return answer.json["invocationId"]

    def attach(self, invocation_id: str) -> Answer:
        return get(f"{self.ingress}/restate/invocation/{invocation_id}/attach")

    def patch(self, invocation_id: str, change: str) -> int:
        """Cancel or kill an invocation."""
        return HTTP.patch(f"{self.admin}/invocations/{invocation_id}/{change}").status_code


@contextlib.contextmanager
def running(language: Language, way: str, folder: Path, app: str = "interop") -> Iterator[World]:
    """Run a server and the services that use every feature, registered with it.

    Args:
        app: another program of the language, if not the one that uses every feature.
        way: over which version of HTTP, or over HTTP/2 with a server that asks for suspension at
            once ("impatient"), signs what it sends ("signed") or is as many processes as it has
            partitions ("partitioned").
    """
    http1 = way == "http1"
    environment = {}
    # Failing attempts shall not slow the tests down. Services in Java take half a minute to start
    # on a busy machine, and after that the usual policy waits for as long again.
    settings = [
        "default-retry-policy.initial-interval=50ms",
        "default-retry-policy.max-interval=1s",
        "default-retry-policy.max-attempts=unlimited",
    ]
    if way == "impatient":
        settings.append("worker.invoker.inactivity-timeout=0s")
    if way == "partitioned":
        settings.append(f"default-num-partitions={PARTITIONS}")
    if way == "signed":
        pem = folder / "identity.pem"
        pem.write_bytes(IDENTITY_PEM)
        settings.append(f"worker.invoker.request-identity-private-key-pem-file={pem}")
        environment["INTEROP_IDENTITY_KEY"] = Signer(IDENTITY_PEM).public_key
    with (
        Services(language, folder, app, http1=http1, **environment) as services,
        Server(folder, *settings) as server,
    ):
        world = World(language, server, services, suspends=way in {"impatient", "http1"})
        yield registered(world, http1=http1)


def registered(world: World, *, http1: bool = False) -> World:
    """Register the services of a world with its server."""
    request = {"uri": world.services.address, "use_http_11": http1}
    answer = post(f"{world.admin}/deployments", request)
    assert answer.status == 201, answer
    return world


@cache
def ports_in_turn() -> Iterator[int]:
    """Give the ports of this process, each as late as possible a second time."""
    first = 20_000 + os.getpid() % 12 * 1_000
    return cycle(random.sample(range(first, first + 1_000), 1_000))


def free_port() -> int:
    """Find a port that stays free while its process is dead: none that systems give to clients.

    Nor one that is given out by the tests of another language, which run at the same time, or that
    was given out a moment ago and is not taken yet.
    """
    for port in islice(ports_in_turn(), 1_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")
