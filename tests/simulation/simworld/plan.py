"""What is to happen in one run: scenarios of clients, faults, and sizes; drawn from a seed.

A plan is a value, so that a failing one can be made smaller piece by piece. Chance that is drawn
while the run goes on (latencies, which bytes are torn) comes from the seed as well, but from
streams of their own: leaving out a fault leaves the rest much as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from simworld.programs import KINDS, LEDGERS, Grower, Program

#: How long scenarios and faults go on starting, in seconds.
SPAN_S = 10.0

SCENARIOS = (
    "call",
    "call",
    "desk",
    "desk",
    "fragile",
    "hasty",
    "drop",
    "append",
    "append",
    "burst",
    "burst",
    "read",
    "flow",
    "cancel",
    "kill",
    "pause",
    "meddle",
    "meddle",
    "restart",
    "purge",
    "purge_journal",
    "edit",
    "later",
    "crowd",
)
FAULTS = (
    "crash",
    "crash at disk",
    "crash at clock",
    "crash at effect",
    "failing disk",
    "full disk",
    "slow disk",
    "failing store",
    "clock forward",
    "clock back",
    "stop",
    "stale leader",
    "echo",
    "freeze",
    "second leader",
    "bit flip",
    "release",
    "service crash",
)
RATES = (
    "request lost",
    "answer lost",
    "client gone",
    "stream broken",
    "stream refused",
    "stream stalled",
)


@dataclass(frozen=True)
class Scenario:
    """What one client does, from a moment on."""

    number: int
    kind: str
    start_s: float
    program: Program
    #: Which ledger or desk, where the scenario needs one.
    key: str
    #: How many clients do it at once, or how often.
    copies: int
    #: When it interferes, in seconds after its start.
    after_s: float


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at a moment; the number says how, or how much."""

    kind: str
    at_s: float
    number: int


@dataclass(frozen=True)
class Sizes:
    """Bounds of the engine, so small that their edges are met."""

    parcel_messages: int = 256
    window_messages: int = 2_048
    parcel_bytes: int = 256 << 10
    window_bytes: int = 16 << 20
    forget_messages: int = 512
    forget_s: float = 0.2
    #: What may wait for a link before further questions are refused.
    link_bytes: int = 64 << 20

    slots: int = 1000
    flush_rows: int = 1024
    flush_bytes: int = 16 << 20
    long_row_bytes: int = 1 << 20
    batch_records: int = 512
    slice_s: float = 0.02
    timer_window: int = 16_384
    timer_burst: int = 128
    recovery_page: int = 4096
    sweep_limit: int = 256
    segment_bytes: int = 64 << 20
    checkpoint_records: int = 200_000
    checkpoint_bytes: int = 1 << 30
    checkpoint_check_s: float = 5.0
    #: Where the application runs: "here" in the server's process, "elsewhere", or "both", the
    #: releases in turn.
    reach: str = "here"
    protocol_version: int = 7
    #: Whether releases here take the place of each other, as in development.
    reloading: bool = False
    #: Whether each attempt sends its request before it hears an answer.
    one_way_at_a_time: bool = False
    #: Whether some requests come through the ingress.
    door: bool = False
    #: Whether the server is started anew before everything is forgotten.
    restart_at_night: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that a run is made of."""

    seed: int
    scenarios: tuple[Scenario, ...]
    faults: tuple[Fault, ...]
    #: How often messages between clients and server are lost, by what is lost.
    rates: tuple[tuple[str, float], ...]
    sizes: Sizes
    partitions: int = 1
    #: Whether the processes of all partitions end with the first that does, as in a server.
    together: bool = True


def draw(seed: int, steps: int, partitions: int = 1) -> Plan:
    """Draw a plan of so many scenarios.

    With several partitions it is the plan for one and what only several need, so that plans for one
    stay as they are.
    """
    plan = _draw_for_one(seed, steps)
    return plan if partitions == 1 else _spread(plan, partitions)


def _spread(plan: Plan, partitions: int) -> Plan:
    random = Random(f"partitions {plan.seed}")
    cuts = [
        Fault("link cut", round(random.uniform(0, SPAN_S), 6), random.randrange(1 << 16))
        for _ in range(random.choice((0, 0, 2, 8)))
    ]
    window = random.choice((1, 3, 2_048))
    return replace(
        plan,
        faults=tuple(sorted((*plan.faults, *cuts), key=lambda fault: fault.at_s)),
        sizes=replace(
            plan.sizes,
            parcel_messages=random.choice((1, 2, 256)),
            window_messages=window,
            parcel_bytes=random.choice((1, 40, 256 << 10)),
            window_bytes=random.choice((1, 200, 16 << 20)),
            link_bytes=random.choice((400, 64 << 20)),
            forget_messages=random.choice((1, 4, 512)),
            forget_s=random.choice((0.001, 0.2, 3.0)),
        ),
        partitions=partitions,
        together=random.random() < 0.5,
    )


def _draw_for_one(seed: int, steps: int) -> Plan:
    random = Random(f"plan {seed}")
    kinds = swarm(random, KINDS)
    grower = Grower(random, kinds)
    wanted = swarm(random, tuple(dict.fromkeys(SCENARIOS)))
    weighted = [kind for kind in SCENARIOS if kind in wanted]
    scenarios = tuple(
        _scenario(random, grower, number, random.choice(weighted)) for number in range(steps)
    )
    return Plan(
        seed,
        tuple(sorted(scenarios, key=lambda scenario: scenario.start_s)),
        _faults(random),
        tuple((name, random.choice((0.02, 0.2))) for name in swarm(random, RATES, least=0)),
        _sizes(random),
    )


def swarm(random: Random, kinds: tuple[str, ...], least: int = 1) -> tuple[str, ...]:
    """Switch some kinds off, so that the others meet each other more often."""
    share = random.choice((0.3, 0.6, 1.0))
    chosen = tuple(kind for kind in kinds if random.random() < share)
    return chosen if len(chosen) >= least else (random.choice(kinds),)


def _scenario(random: Random, grower: Grower, number: int, kind: str) -> Scenario:
    return Scenario(
        number,
        kind,
        round(random.uniform(0, SPAN_S), 6),
        grower.program(str(number), random.randint(1, 5)),
        random.choice(LEDGERS),
        random.choice((1, 1, 2, 3)),
        round(random.choice((0.0, 0.003, 0.03, 0.3, 2.0)) * random.random(), 6),
    )


def _faults(random: Random) -> tuple[Fault, ...]:
    kinds = swarm(random, FAULTS, least=0)
    if not kinds:
        return ()
    faults = [
        Fault(random.choice(kinds), round(random.uniform(0, SPAN_S), 6), random.randrange(1 << 16))
        for _ in range(random.choice((1, 4, 12)))
    ]
    return tuple(sorted(faults, key=lambda fault: fault.at_s))


def _sizes(random: Random) -> Sizes:
    # Before version 7 nobody can tell that a handler waits for the server alone: one that wakes up
    # all the time would keep its slot from those it waits for.
    version = random.choice((5, 6, 7, 7, 7, 7))
    return Sizes(
        slots=random.choice((2, 5, 1000)) if version == 7 else 1000,
        flush_rows=random.choice((1, 20, 1024)),
        flush_bytes=random.choice((1, 3_000, 16 << 20)),
        long_row_bytes=random.choice((120, 1 << 20)),
        batch_records=random.choice((1, 3, 512)),
        timer_window=random.choice((2, 8, 16_384)),
        timer_burst=random.choice((1, 128)),
        recovery_page=random.choice((1, 3, 4096)),
        sweep_limit=random.choice((1, 5, 256)),
        segment_bytes=random.choice((2_000, 20_000)),
        checkpoint_records=random.choice((5, 50, 200_000)),
        checkpoint_bytes=random.choice((2_000, 1 << 30)),
        checkpoint_check_s=random.choice((0.5, 5.0)),
        restart_at_night=random.random() < 0.5,
        door=random.random() < 0.5,
        reach=random.choice(("here", "here", "elsewhere", "both")),
        reloading=random.random() < 0.5,
        protocol_version=version,
        one_way_at_a_time=random.random() < 0.15,
        slice_s=random.choice((-1.0, 0.02)),
    )
