"""Random programs of objects that call, wait for, and cancel each other, killed in the midst."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, NamedTuple

import pytest
from peer_languages import LANGUAGES
from peer_processes import World, eventually, post, restart, running

pytestmark = pytest.mark.timeout(180, func_only=True)

LAYERS = 3
KEYS = 4
PROGRAMS = 40
SEED = 1

AT_ONCE = ["add", "add once", "dance", "stumble", "step", "flaky step", "dice"]
BEGINNINGS = ["nap", "echo", "refuse", "attach", "awakeable", "signal", "cancel", "program"]
ENDS = ["wait", "wait for all", "race", "limit"]
KINDS = [*AT_ONCE, "add through", *BEGINNINGS, *BEGINNINGS, *ENDS, *ENDS]
#: What adds one to the count of the object that runs it.
COUNTED = {"add", "add once", "add through", "dance", "cancel"}


class Place(NamedTuple):
    """An object that runs programs."""

    layer: int
    key: str


class Author:
    """Writes programs, and remembers what they must come to.

    Attributes:
        counts: how often each object is added to.
    """

    def __init__(self, seed: int) -> None:
        self.counts: Counter[Place] = Counter()
        self._random = Random(seed)

    def place(self, layer: int) -> Place:
        return Place(layer, f"key {self._random.randrange(KEYS)}")

    def program(self, name: str, place: Place, length: int) -> dict[str, Any]:
        begun: list[int] = []
        commands = []
        for number in range(length):
            kind = self._random.choice(KINDS)
            if kind == "program" and place.layer == LAYERS - 1:
                kind = "echo"
            if kind in BEGINNINGS:
                begun.append(number)
            if kind in COUNTED:
                self.counts[place] += 1
            commands.append(self._command(kind, f"{name}.{number}", place.layer, begun))
        return {"id": name, "commands": commands}

    def _command(self, kind: str, name: str, layer: int, begun: list[int]) -> dict[str, Any]:
        command: dict[str, Any] = {"kind": kind}
        if kind == "program":
            below = self.place(layer + 1)
            program = self.program(name, below, self._random.randrange(1, 6))
            return command | {"key": below.key, "program": program}
        if kind in ENDS:
            count = min(len(begun), self._random.randrange(1, 5))
            command["places"] = self._random.sample(begun, count)
        milliseconds = self._random.choice([0, 1, 10, 50, 150])
        return command | {"milliseconds": milliseconds, "good": self._random.random() < 0.7}


@pytest.fixture(params=["http2", "impatient", "partitioned"])
def world(request, tmp_path, built):
    [typescript] = [each for each in LANGUAGES if each.name == "typescript"] or [None]
    if typescript is None:
        pytest.skip("another language is asked for")
    built(typescript)
    with running(typescript, request.param, tmp_path, app="programs") as world:
        yield world


def ended(world: World) -> int:
    """Count the programs that have ended."""
    query = "SELECT id FROM sys_invocation WHERE target_service_name = 'Layer0' AND "
    query += "target_handler_name = 'interpret' AND status = 'completed'"
    answer = post(f"{world.admin}/query", {"query": query}, accept="application/json")
    return len(answer.json["rows"])


def test_all_comes_as_it_must_and_once(world: World):
    author = Author(SEED)
    invocations = {}
    for number in range(PROGRAMS):
        place = author.place(0)
        program = author.program(f"p{number}", place, 10)
        path = f"/Layer0/{place.key}/interpret"
        invocations[program["id"]] = world.submit(path, program)
    for process, share in ((world.services, 0.2), (world.server, 0.5)):
        eventually(lambda share=share: ended(world) >= share * PROGRAMS, expected=True)
        restart(process)
    for name, invocation_id in invocations.items():
        assert world.attach(invocation_id).json == name
    for layer in range(LAYERS):
        for key in (f"key {number}" for number in range(KEYS)):
            count = author.counts[Place(layer, key)]
            url = f"/Layer{layer}/{key}/count"
            eventually(lambda url=url: world.call(url).json, count)
