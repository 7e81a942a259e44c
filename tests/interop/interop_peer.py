"""The official server: its installation beside the tests, and a process of it."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "src"
PEERS = HERE / ".peers"
VERSION = "1.7.12"
PATIENCE_S = 40.0
#: With which the servers sign their requests.
IDENTITY_PEM = (
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MC4CAQAwBQYDK2VwBCIEIPe++4ZTPQDF81otpoU/mOGHC2vOAVp9WbiCblvn3nXO\n"
    b"-----END PRIVATE KEY-----\n"
)


class MissingError(Exception):
    """The server cannot be had on this machine; the message says why."""


def restate_server() -> Path:
    """Give the program of the server, installed if need be."""
    arch = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = f"@restatedev/restate-server-{platform.system().lower()}-{arch}"
    folder = PEERS / f"restate-server-{VERSION}"
    program = folder / "node_modules" / package / "bin" / "restate-server"
    if program.exists():
        return program
    if shutil.which("npm") is None:
        raise MissingError("npm is missing, which installs the official server")
    PEERS.mkdir(exist_ok=True)
    (PEERS / ".gitignore").write_text("*\n")
    finished = subprocess.run(
        ["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-save",
         f"{package}@{VERSION}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if finished.returncode != 0:
        raise MissingError(f"npm could not install the official server: {finished.stderr[-500:]}")
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str, check: Callable[[], None]) -> None:
    """Wait for a condition as long as ``check`` raises nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        check()
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_S} s"
        time.sleep(0.02)


class Process:
    """A process with its output in a file, ended at the end of its ``with`` statement."""

    def __init__(self, command: Sequence[str | Path], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=HERE,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def check(self) -> None:
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]


class Peer(Process):
    """A server on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        self.pem = folder / "identity.pem"
        self.pem.write_bytes(IDENTITY_PEM)
        super().__init__(self.command(), self.environment(), folder / "server.log")
        self.admin = httpx.Client(base_url=f"http://127.0.0.1:{self.admin_port}", timeout=60)
        self.ingress = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        raise NotImplementedError

    def invocation(self, invocation_id: str) -> dict[str, Any]:
        """Give what the server knows of an invocation; nothing, if it does not know it."""
        raise NotImplementedError

    def query(self, sql: str) -> list[dict[str, Any]]:
        reply = self.admin.post(
            "/query", json={"query": sql}, headers={"accept": "application/json"}
        )
        assert reply.status_code == 200, reply.text
        rows: list[dict[str, Any]] = reply.json()["rows"]
        return rows

    def __enter__(self) -> Self:
        wait_until(self.answers, "the start of the server", self.check)
        return self

    def __exit__(self, *exc: object) -> None:
        self.admin.close()
        self.ingress.close()
        super().__exit__(*exc)

    def answers(self) -> bool:
        try:
            healthy = self.admin.get("/health").status_code == 200
            return healthy and self.ingress.get("/restate/health").status_code == 200
        except httpx.TransportError:
            return False

    def register(self, uri: str, *, http1: bool) -> dict[str, Any]:
        request = {"uri": uri, "use_http_11": http1}
        reply = self.admin.post("/deployments", json=request)
        assert reply.status_code == 201, reply.text
        deployment: dict[str, Any] = self.admin.get(f"/deployments/{reply.json()['id']}").json()
        return deployment


class OwnPeer(Peer):
    """The server of this project."""

    def command(self) -> list[str | Path]:
        return [
            sys.executable, "-m", "perdure", "server", "--base-dir", self.folder / "data",
            "--ingress-port", str(self.port), "--admin-port", str(self.admin_port),
            "--set", "default-retry-policy.initial-interval=20ms",
            "--set", f"worker.invoker.request-identity-private-key-pem-file={self.pem}",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(SOURCES)}

    def invocation(self, invocation_id: str) -> dict[str, Any]:
        reply = self.admin.get(f"/invocations/{invocation_id}")
        return reply.json() if reply.status_code == 200 else {}


class OfficialPeer(Peer):
    """The official server, with the newest version of the protocol that it speaks by default."""

    v7 = False

    def command(self) -> list[str | Path]:
        return [
            restate_server(), "--base-dir", self.folder / "data", "--node-name", "interop",
            "--no-logo", "--log-format", "compact", "--listen-mode", "tcp",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {
            "DO_NOT_TRACK": "1",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{self.admin_port}",
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "RESTATE_DEFAULT_NUM_PARTITIONS": "2",
            "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "256MB",
            "RESTATE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL": "20ms",
            "RESTATE_EXPERIMENTAL_ENABLE_PROTOCOL_V7": "true" if self.v7 else "false",
            "RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE": str(self.pem),
        }

    def invocation(self, invocation_id: str) -> dict[str, Any]:
        rows = self.query("SELECT id, status, pinned_service_protocol_version FROM sys_invocation")
        return next((row for row in rows if row["id"] == invocation_id), {})


class OfficialPeerV7(OfficialPeer):
    """The official server, with version 7 of the protocol turned on."""

    v7 = True


class ServiceProcess(Process):
    """The services of these tests behind a web server."""

    def __init__(self, web_server: str, target: str, folder: Path, env: Mapping[str, str]) -> None:
        self.port = free_port()
        port = str(self.port)
        commands = {
            "serve": ["perdure", "serve", target, "--port", port],
            "granian": ["granian", "--interface", "asgi", "--no-ws", "--port", port, target],
            "hypercorn": ["hypercorn", "--bind", f"127.0.0.1:{port}", target],
            "uvicorn": ["uvicorn", "--port", port, target],
        }
        path = os.pathsep.join([str(SOURCES), str(HERE)])
        super().__init__(
            [sys.executable, "-m", *commands[web_server]],
            {**env, "PYTHONPATH": path},
            folder / f"{web_server}-{self.port}.log",
        )

    def __enter__(self) -> Self:
        wait_until(self.answers, "the start of the services", self.check)
        return self

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/restate/health").status_code == 200
        except httpx.TransportError:
            return False
