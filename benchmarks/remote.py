"""Servers and the services that they reach over HTTP/2, in every combination.

A service is the same process whichever server calls it, so that the difference is the server's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from typing_extensions import override

from benchmarks import peers
from benchmarks.system import OURS, System, free_port, status

#: The limits are those that the documentation of the SDK recommends; without them hypercorn ends a
#: connection after 1,000 requests. Of one and two workers, with and without uvloop, one with uvloop
#: did best in most rounds on two cores.
HYPERCORN = """
h2_max_concurrent_streams = 2147483647
keep_alive_max_requests = 2147483647
keep_alive_timeout = 2147483647
workers = 1
worker_class = "uvloop"
"""


class Remote(System):
    """A server, and handlers in a process of their own."""

    server: ClassVar[Part]
    service: ClassVar[Part]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.service_port = free_port()

    @classmethod
    @override
    def install(cls) -> None:
        """Install both parts."""
        cls.server.install()
        cls.service.install()

    @override
    def launch(self) -> None:
        self.service.launch(self)
        self.server.launch(self)
        deployments = f"http://127.0.0.1:{self.admin_port}/deployments"
        service = {"uri": f"http://127.0.0.1:{self.service_port}"}
        self.wait_until(lambda: status(deployments, service) in {200, 201}, "the registration")

    @property
    @override
    def server_sessions(self) -> tuple[int, ...]:
        return self.sessions[-1:]


class Part(NamedTuple):
    """A server, or a service."""

    name: str
    #: Fetches what the part needs.
    install: Callable[[], object]
    #: Starts its process.
    launch: Callable[[Remote], None]


def launch_perdure_server(system: Remote) -> None:
    """Start our server alone."""
    system.start(
        *(sys.executable, "-m", "perdure", "server", "--base-dir", system.folder / "data"),
        *("--ingress-port", str(system.port), "--admin-port", str(system.admin_port)),
        env=OURS,
    )


def launch_restate_server(system: Remote) -> None:
    """Start the official server: one node, with default durability."""
    system.start(
        *(peers.restate_server(), "--base-dir", system.folder / "data", "--node-name", "bench"),
        *("--no-logo", "--log-format", "compact", "--listen-mode", "tcp"),
        env={
            "DO_NOT_TRACK": "1",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{system.admin_port}",
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{system.port}",
        },
    )


def launch_typescript(system: Remote) -> None:
    """Start the handlers in the official SDK for TypeScript."""
    packages = peers.restate_typescript()
    env = {"NODE_PATH": str(packages), "PORT": str(system.service_port)}
    system.start(packages / ".bin" / "node", "benchmarks/apps/durable.cjs", env=env)


def launch_hypercorn(system: Remote) -> None:
    """Start the handlers in the official SDK for Python behind hypercorn."""
    config = system.folder / "hypercorn.toml"
    config.write_text(HYPERCORN)
    system.start(
        *(peers.restate_python(), "-m", "hypercorn", "--config", config),
        *("--bind", f"127.0.0.1:{system.service_port}", "benchmarks.apps.durable:app"),
        env={"BENCHMARK_SDK": "restate"},
    )


def launch_perdure_serve(system: Remote) -> None:
    """Start the handlers in our SDK, as our own command serves them."""
    system.start(
        *(sys.executable, "-m", "perdure", "serve", "benchmarks.apps.durable:app"),
        *("--port", str(system.service_port)),
        env={"BENCHMARK_SDK": "perdure", **OURS},
    )


def nothing() -> None:
    """Install nothing: it is the project itself."""


RESTATE_SERVER: Final = Part("restate-server", peers.restate_server, launch_restate_server)
HYPERCORN_SERVICE: Final = Part("hypercorn", peers.restate_python, launch_hypercorn)
SERVERS: Final = (Part("perdure-server", nothing, launch_perdure_server), RESTATE_SERVER)
SERVICES: Final = (
    Part("typescript", peers.restate_typescript, launch_typescript),
    HYPERCORN_SERVICE,
    Part("perdure-serve", nothing, launch_perdure_serve),
)


class Restate(Remote):
    """The official server with the official SDK for Python, as the peer of the whole of ours."""

    name = "restate"
    server = RESTATE_SERVER
    service = HYPERCORN_SERVICE


def combined(server: Part, service: Part) -> type[Remote]:
    """Give the system that has these parts."""
    name = f"{server.name}+{service.name}"
    return type(name, (Remote,), {"name": name, "server": server, "service": service})


REMOTE: Final = tuple(combined(*parts) for parts in product(SERVERS, SERVICES))
