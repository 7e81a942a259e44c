"""Processes of the tests: our server, and services in the official SDKs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

HERE = Path(__file__).parent
TYPESCRIPT = HERE / "typescript"
#: The SDK needs a newer Node.js than many systems have; npm brings one.
NODE = TYPESCRIPT / "node_modules" / ".bin" / "node"
START_S = 30
ANSWER_S = 30


class Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class World(NamedTuple):
    """A server of ours, with services registered."""

    ingress: str
    admin: str

    def call(self, path: str, value: object = None) -> Answer:
        return post(f"{self.ingress}{path}", value)


def post(url: str, value: object = None, content_type: str = "application/json") -> Answer:
    """Send JSON, or bytes as they are; nothing at all for None."""
    headers = {} if value is None else {"content-type": content_type}
    data = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    response = httpx.post(url, content=data, headers=headers, timeout=ANSWER_S)
    return Answer(response.status_code, response.content)


def get(url: str) -> Answer:
    response = httpx.get(url, timeout=ANSWER_S)
    return Answer(response.status_code, response.content)


@contextlib.contextmanager
def process(command: Sequence[str], log: Path, **options) -> Iterator[subprocess.Popen]:
    """Run a process for as long as the context lasts; its stderr goes to a file."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, **options) as child,
    ):
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def line_with(child: subprocess.Popen, pattern: str, log: Path) -> re.Match:
    """Wait for a line of stdout."""
    deadline = time.monotonic() + START_S
    output = b""
    while time.monotonic() < deadline:
        ready, _, _ = select.select([child.stdout], [], [], 0.2)
        chunk = os.read(child.stdout.fileno(), 65536) if ready else b""
        output += chunk
        if (match := re.search(pattern, output.decode())) is not None:
            return match
        if ready and not chunk:
            break
    raise AssertionError(f"no {pattern!r} in {output!r}; stderr: {log.read_text()[-4000:]}")


@contextlib.contextmanager
def server(folder: Path, *settings: str) -> Iterator[World]:
    """Run ``perdure server``."""
    command = [sys.executable, "-m", "perdure", "server", "--base-dir", str(folder / "data")]
    command += ["--ingress-port", "0", "--admin-port", "0"]
    for setting in settings:
        command += ["--set", setting]
    log = folder / "server.log"
    with process(command, log) as child:
        match = line_with(child, r"ingress (\S+)\s+admin (\S+)\s", log)
        yield World(*match.groups())


@contextlib.contextmanager
def python_services(folder: Path) -> Iterator[str]:
    """Run the services in the official Python SDK under hypercorn; give their address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        command = [sys.executable, "-m", "hypercorn", "--bind", f"fd://{descriptor}"]
        command += ["--keep-alive", "60", "python_services:app"]
        with process(command, folder / "python.log", cwd=HERE, pass_fds=[descriptor]):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def typescript_services(folder: Path, mode: str) -> Iterator[str]:
    """Run the services in the official TypeScript SDK; give their address."""
    log = folder / f"typescript-{mode}.log"
    command = [str(NODE), "services.mjs", mode]
    with process(command, log, cwd=TYPESCRIPT) as child:
        yield f"http://127.0.0.1:{line_with(child, r'port ([0-9]+)', log)[1]}"


def install_typescript() -> str | None:
    """Install the TypeScript SDK if it is not there; say why it is not there afterwards."""
    if NODE.exists():
        return None
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    done = subprocess.run(command, cwd=TYPESCRIPT, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"npm install failed: {done.stderr[-400:]}"
