"""The scenarios in which systems are compared: what is called, and over how many connections."""

from __future__ import annotations

from msgspec import Struct

from benchmarks.load import Call


class Scenario(Struct, frozen=True, kw_only=True):
    """A call made over and over, over some connections at a time."""

    #: How ``--only`` calls it.
    name: str
    title: str
    call: Call
    connections: int


EMPTY = Call(path="/Bench/empty")
STEPS = Call(path="/Bench/steps", response="3")
COUNTER = Call(path="/Counter/{key}/add", body="1", keys=1000)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="empty-64",
            title="Empty handler, 64 connections",
            call=EMPTY,
            connections=64,
        ),
        Scenario(
            name="empty-1",
            title="Empty handler, 1 connection",
            call=EMPTY,
            connections=1,
        ),
        Scenario(
            name="steps-64",
            title="Three durable steps, 64 connections",
            call=STEPS,
            connections=64,
        ),
        Scenario(
            name="steps-1",
            title="Three durable steps, 1 connection",
            call=STEPS,
            connections=1,
        ),
        Scenario(
            name="counter-64",
            title="Counter object over 1,000 keys, 64 connections",
            call=COUNTER,
            connections=64,
        ),
    )
}
