"""A real server process that is killed without warning, and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

HERE = Path(__file__).resolve().parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children_of(parent: int) -> list[int]:
    """Give the ids of a process's children, in the order in which they were started; Linux only."""
    children = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name of a program, which stands in parentheses, may hold any character.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if int(fields[1]) == parent and fields[0] != "Z":
            children.append(int(entry.name))
    return sorted(children)


class Server:
    """``perdure dev`` in processes of its own; ``environment`` is what it has beside ours."""

    def __init__(
        self,
        target: str,
        data_dir: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        partitions: int = 1,
    ) -> None:
        self.target = target
        self.partitions = partitions
        self.environment = environment or {}
        self.data_dir = data_dir
        self.log = log
        self.ingress_port = free_port()
        self.admin_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ingress_port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "perdure",
                    "dev",
                    self.target,
                    "--no-reload",
                    "--ingress-port",
                    str(self.ingress_port),
                    "--admin-port",
                    str(self.admin_port),
                    "--data-dir",
                    str(self.data_dir),
                    "--partitions",
                    str(self.partitions),
                ],
                cwd=HERE,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
                stdout=output,
                stderr=output,
            )

    async def ready(self, deadline_s: float = 30.0) -> None:
        assert self.process is not None
        async with asyncio.timeout(deadline_s), httpx.AsyncClient() as client:
            while True:
                assert self.process.poll() is None, self.log.read_text()
                try:
                    reply = await client.get(f"{self.url}/restate/health")
                except httpx.TransportError:
                    await asyncio.sleep(0.01)
                    continue
                if reply.status_code == 200:
                    return

    def companions(self) -> list[int]:
        """Give the ids of the processes that lead other partitions."""
        assert self.process is not None
        return children_of(self.process.pid)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, deadline_s: float = 30.0) -> int:
        """Ask for a graceful stop and give the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(deadline_s)
