"""``perdure serve`` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
import trustme
from click.testing import CliRunner
from dev_process import environment, until
from test_dev_command import free_port

from perdure.cli.errors import CommandError
from perdure.cli.main import cli

SHOP = """
import perdure

app = perdure.app([perdure.Service("Shop")])
"""


@contextmanager
def serve(
    folder: Path,
    port: int,
    *options: str,
    ready: Callable[[], bool] | None = None,
    source: str = SHOP,
) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "shop.py").write_text(dedent(source))
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
        is_ready = ready or (lambda: answers(port))
        until(lambda: process.poll() is not None or is_ready(), "the first answer")
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.TransportError:
        return False


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


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
    return free_port()


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
    assert finished.stderr.startswith("error: module shop has no 'nothing'; write shop:")


def test_a_certificate_needs_its_key(tmp_path: Path):
    certificate = tmp_path / "certificate.pem"
    certificate.touch()
    result = CliRunner().invoke(cli, ["serve", "shop:app", "--tls-certificate", str(certificate)])
    assert isinstance(result.exception, CommandError)
    assert "belong together" in str(result.exception)


def test_a_certificate_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    nothing = tmp_path / "nothing.pem"
    nothing.touch()
    result = CliRunner().invoke(
        cli, ["serve", "shop:app", "--tls-certificate", str(nothing), "--tls-key", str(nothing)]
    )
    assert isinstance(result.exception, CommandError)
    assert "no certificate and key" in str(result.exception)


@pytest.mark.parametrize("http2", [True, False])
def test_it_speaks_tls(tmp_path: Path, port: int, http2: bool):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(chain)
    certificate.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"] if http2 else ["http/1.1"])
    options = ("--tls-certificate", str(chain), "--tls-key", str(key))

    def agreed() -> str | None:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            return secure.selected_alpn_protocol()

    def manifest() -> Any:
        with httpx.Client(verify=context, http1=not http2, http2=http2) as client:
            return client.get(f"https://127.0.0.1:{port}/discover").json()

    with serve(tmp_path, port, *options, ready=lambda: is_listening(port)):
        assert agreed() == ("h2" if http2 else "http/1.1")
        assert [service["name"] for service in manifest()["services"]] == ["Shop"]


def test_a_worker_that_ends_ends_all(tmp_path: Path, port: int):
    with serve(tmp_path, port, "--workers", "2") as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("this system does not tell the children of a process")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        assert process.wait(30) == 3
    assert "a worker ended" in (tmp_path / "output.txt").read_text()
    until(lambda: is_free(port), "the end of the other worker")


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken_port = str(taken.getsockname()[1])
        result = CliRunner().invoke(cli, ["serve", "shop:app", "--port", taken_port])
    assert isinstance(result.exception, CommandError)
    assert "choose another with --port" in str(result.exception)


def test_without_what_it_needs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr("perdure.cli.hosting", raising=False)
    # None in the table of modules is how Python itself says that there is no such module.
    monkeypatch.setitem(sys.modules, "perdure.cli.hosting", None)
    result = CliRunner().invoke(cli, ["serve", "shop:app"])
    assert isinstance(result.exception, CommandError)
    assert 'pip install "perdure[serve]"' in str(result.exception)
