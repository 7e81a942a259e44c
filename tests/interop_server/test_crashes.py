"""The server, and services of the official SDKs, killed in the midst of what they do."""

from __future__ import annotations

import uuid
from typing import NamedTuple

import pytest
from peer_processes import World, eventually, get, post, restart

pytestmark = pytest.mark.timeout(180, func_only=True)

JOURNEYS = 12
STAGES = 5


def fresh(number: int) -> list[str]:
    return [uuid.uuid4().hex for _ in range(number)]


class Load(NamedTuple):
    """Invocations under way that run, sleep, call, and wait for awakeables and promises."""

    world: World
    journeys: dict[str, str]
    questions: dict[str, str]
    signups: list[str]

    @classmethod
    def submitted_to(cls, world: World) -> Load:
        journeys = {key: world.submit("/Tools/journey", key) for key in fresh(JOURNEYS)}
        questions = {key: world.submit(f"/Counter/{key}/ask") for key in fresh(3)}
        signups = fresh(3)
        for key in signups:
            world.submit(f"/Signup/{key}/run", f"{key}@b.c")
        return cls(world, journeys, questions, signups)

    def reaches(self, stages: int) -> None:
        """Wait until so many stages of all journeys are behind."""
        eventually(lambda: sum(self.stages()) >= stages, expected=True)

    def stages(self) -> list[int]:
        return [self.world.call(f"/Counter/{key}/value").json for key in self.journeys]

    def ends(self) -> None:
        """Give what is waited for; see that all has happened, and has happened once."""
        for key in self.questions:
            eventually(lambda key=key: self.question(key) != "", expected=True)
            url = f"{self.world.ingress}/restate/awakeables/{self.question(key)}/resolve"
            assert post(url, "yes").status == 202
        for key in self.signups:
            assert self.world.call(f"/Signup/{key}/approve", "yes").status in (200, 204)
        for invocation_id in self.journeys.values():
            assert self.world.attach(invocation_id).json == STAGES
        assert self.stages() == [STAGES] * JOURNEYS
        for key, invocation_id in self.questions.items():
            assert self.world.attach(invocation_id).json == f"{key} was told yes"
        for key in self.signups:
            url = f"{self.world.ingress}/restate/workflow/Signup/{key}/attach"
            assert get(url).json == f"{key}@b.c: yes"

    def question(self, key: str) -> str:
        return self.world.call(f"/Counter/{key}/asked").json


def test_nothing_is_lost_and_nothing_is_done_twice(fragile):
    load = Load.submitted_to(fragile)
    load.reaches(JOURNEYS)
    restart(fragile.server)
    load.reaches(2 * JOURNEYS)
    restart(fragile.services)
    load.reaches(3 * JOURNEYS)
    restart(fragile.services, fragile.server)
    load.ends()
