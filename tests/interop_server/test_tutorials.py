"""The tutorials, step by step: start the server, start a part, register it, send its requests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from peer_languages import Language
from peer_processes import Server, Services, World, eventually, get

pytestmark = pytest.mark.timeout(180, func_only=True)


class Tutorial:
    """A server as it comes, and the parts of the tutorial at one address, one after the other."""

    def __init__(self, language: Language, folder: Path, server: Server) -> None:
        self._language = language
        self._folder = folder
        self._server = server
        self._part: Services | None = None

    def start(self, app: str) -> World:
        """Start a part where the part before it was, and register it as the tutorial says."""
        port = None
        if self._part is not None:
            self._part.stop()
            port = self._part.port
        self._part = Services(self._language, self._folder, app, port=port)
        self._part.start()
        return World(self._language, self._server, self._part, suspends=False)

    def register(self) -> None:
        """Run ``perdure -y deployment register --force localhost:9080``."""
        command = [sys.executable, "-m", "perdure", "-y", "deployment", "register", "--force"]
        address = self._part.address.removeprefix("http://")
        home = {"HOME": str(self._folder), "PERDURE_ADMIN_URL": self._server.admin}
        done = subprocess.run(
            [*command, address], env={**os.environ, **home}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        if self._part is not None:
            self._part.stop()


@pytest.fixture
def tutorial(language, tmp_path) -> Iterator[Tutorial]:
    with Server(tmp_path) as server:
        tutorial = Tutorial(language, tmp_path, server)
        yield tutorial
        tutorial.stop()


def occurrences(world: World, pattern: str) -> list[str]:
    """Find what happened outside, as the services told it."""
    return re.findall(pattern, world.services.said(), re.MULTILINE)


def path(world: World, *parts: str) -> str:
    """Write the path of a handler, which each language names in its own way."""
    return "/" + "/".join([*parts[:-1], world.language.handler(parts[-1])])


def test_durable_execution(tutorial):
    world = tutorial.start("durable_execution")
    add = path(world, "Subscriptions", "add")
    order = {"user": "ada", "card": "4242", "services": ["Films", "Music", "Plays"]}
    early = world.call(add, order)
    assert early.status == 404
    assert "make sure to register the service" in early.json["message"]
    tutorial.register()
    invocation_id = world.submit(add, order)
    eventually(lambda: occurrences(world, "to Films$"), ["to Films"])
    world.server.kill()
    world.server.start()
    payment = world.attach(invocation_id).json
    assert occurrences(world, "^charged .*") == [f"charged 4242 for {payment}"]
    joined = [f"subscribed ada to {service}" for service in order["services"]]
    assert list(dict.fromkeys(occurrences(world, "^subscribed .*"))) == joined


def test_virtual_objects(tutorial):
    world = tutorial.start("virtual_objects")
    tutorial.register()
    greet = path(world, "Greeter", "mary", "greet")
    assert world.call(greet, "Hi").json == "Hi mary, greeting number 1"
    assert world.call(greet, "Hello").json == "Hello mary, greeting number 2"
    ungreet = world.call(path(world, "Greeter", "mary", "ungreet"))
    assert ungreet.json == "mary is left with 1"
    world.server.kill()
    world.server.start()
    assert world.call(greet, "Ahoy").json == "Ahoy mary, greeting number 2"
    other = world.call(path(world, "Greeter", "barack", "greet"), "Hi")
    assert other.json == "Hi barack, greeting number 1"


@pytest.mark.parametrize(
    ("right", "status"), [(True, "verified"), (False, "refused")], ids=["right", "wrong"]
)
def test_workflows(tutorial, right, status):
    world = tutorial.start("workflows")
    tutorial.register()
    user = {"name": "Ada", "email": "ada@b.c"}
    world.submit(path(world, "Accounts", "ada", "run"), user)
    eventually(lambda: len(occurrences(world, "^mailed ")), 1)
    (secret,) = occurrences(world, "^mailed (.*) to ada@b.c$")
    assert world.call(path(world, "Accounts", "ada", "status")).json == "unverified"
    world.server.kill()
    world.server.start()
    clicked = secret if right else uuid.uuid4().hex
    assert world.call(path(world, "Accounts", "ada", "click"), clicked).status in (200, 204)
    attached = get(f"{world.ingress}/restate/workflow/Accounts/ada/attach")
    assert attached.json is right
    assert world.call(path(world, "Accounts", "ada", "status")).json == status
    assert occurrences(world, "^created .*") == ["created ada for Ada"]
    assert world.call(path(world, "Accounts", "ada", "run"), user).status == 409


def test_one_part_after_the_other_at_the_same_address(tutorial):
    world = tutorial.start("virtual_objects")
    tutorial.register()
    assert world.call(path(world, "Greeter", "mary", "greet"), "Hi").status == 200
    world = tutorial.start("workflows")
    tutorial.register()
    assert world.call(path(world, "Accounts", "ada", "status")).json == "unknown"
    services = get(f"{world.admin}/services").json["services"]
    assert [service["name"] for service in services] == ["Accounts"]
