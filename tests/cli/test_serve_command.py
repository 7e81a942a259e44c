"""``perdure serve`` in a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from dev_process import environment, until

from perdure.cli.errors import CommandError
from perdure.cli.main import cli

SHOP = """
import perdure

app = perdure.app([perdure.Service("Shop")])
"""


@contextmanager
def serve(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "shop.py").write_text(SHOP)
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "perdure", "serve", "shop:app", "--port", str(port), *options],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: process.poll() is not None or answers(port), "the first answer")
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.TransportError:
        return False


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, port: int):
    with serve(tmp_path, port, "--workers", "2") as process:
        manifest = httpx.get(f"http://127.0.0.1:{port}/discover").json()
        assert [service["name"] for service in manifest["services"]] == ["Shop"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert is_free(port)


def test_workers_die_with_it(tmp_path: Path, port: int):
    with serve(tmp_path, port) as process:
        process.kill()
        process.wait()
        until(lambda: is_free(port), "the end of the workers")


def test_an_application_that_is_not_there(tmp_path: Path, port: int):
    (tmp_path / "shop.py").write_text(SHOP)
    finished = subprocess.run(
        [sys.executable, "-m", "perdure", "serve", "shop:nothing", "--port", str(port)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stderr == "error: module shop has no 'nothing'\n"


def test_a_certificate_needs_its_key(tmp_path: Path):
    certificate = tmp_path / "certificate.pem"
    certificate.touch()
    result = CliRunner().invoke(cli, ["serve", "shop:app", "--tls-certificate", str(certificate)])
    assert isinstance(result.exception, CommandError)
    assert "belong together" in str(result.exception)


def test_without_a_web_server(monkeypatch: pytest.MonkeyPatch):
    # None in the table of modules is how Python itself says that there is no such module.
    monkeypatch.setitem(sys.modules, "granian", None)
    result = CliRunner().invoke(cli, ["serve", "shop:app"])
    assert isinstance(result.exception, CommandError)
    assert 'pip install "perdure[serve]"' in str(result.exception)
