"""``perdure dev`` on sockets in the file system, and without an application."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from dev_process import DEADLINE_S, Dev, until

from perdure.cli.main import run
from perdure.cli.surroundings import Surroundings

pytestmark = pytest.mark.timeout(120)


def greeter(word: str) -> str:
    return f"""
        import perdure

        greeter = perdure.Service("Greeter")

        @greeter.handler()
        async def greet(ctx: perdure.Context, name: str) -> str:
            return "{word} " + name

        app = perdure.app([greeter])
    """


def path_of(dev: Dev, door: str) -> Path:
    """Give where a door is, once it is open."""
    dev.until_said("admin unix:")
    found = re.search(rf"{door} unix:(\S+)", dev.said)
    assert found is not None, dev.said
    return Path(found[1])


def ask(ingress: Path, name: str) -> httpx.Response:
    transport = httpx.HTTPTransport(uds=str(ingress))
    with httpx.Client(transport=transport, timeout=DEADLINE_S) as client:
        return client.post("http://localhost/Greeter/greet", json=name)


def command(*words: str) -> int:
    return run(words, Surroundings(environment={}))


def test_sockets_outlive_a_change_of_the_source(dev, capsys):
    dev.write(greeter("Hello"))
    dev.start("-u")
    ingress, admin = path_of(dev, "ingress"), path_of(dev, "admin")
    assert ask(ingress, "Ada").json() == "Hello Ada"
    assert f"curl --unix-socket {ingress} http://localhost/Greeter/greet" in dev.said
    assert ingress.parent.stat().st_mode & 0o077 == 0, "nobody else comes in"
    dev.write(greeter("Hallo"))
    until(lambda: ask(ingress, "Ada").json() == "Hallo Ada", "new code answers")
    assert command("services", "list", "--admin-url", f"unix:{admin}") == 0
    assert "Greeter" in capsys.readouterr().out
    assert dev.stop() == 0
    assert not ingress.parent.exists()


def test_a_server_without_an_application_leaves_nothing_behind(dev):
    dev.start(target=None)
    dev.until_said("register services")
    assert "data in memory" in dev.said
    assert httpx.get(dev.url + "/restate/health", timeout=DEADLINE_S).json() == {"services": []}
    assert dev.stop() == 0
    assert list(dev.folder.iterdir()) == [dev.output]


def test_its_data_is_kept_where_that_is_asked_for(dev, tmp_path):
    dev.start("--retain", target=None, TMPDIR=str(tmp_path))
    dev.until_said("register services")
    found = re.search(r"data (\S+)", dev.said)
    assert found is not None
    assert dev.stop() == 0
    kept = Path(found[1])
    assert kept.parent == tmp_path
    assert (kept / "FORMAT").exists()
    dev.start("--data-dir", "mine", target=None)
    dev.until_said("register services")
    assert "data mine" in dev.said
    assert dev.stop() == 0
    assert (dev.folder / "mine").is_dir()
