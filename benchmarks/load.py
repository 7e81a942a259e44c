"""What a load is, and what came of it; the load itself is made by a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import msgspec
from msgspec import Struct


class LoadError(Exception):
    """A response was missing or wrong; figures of wrong answers are worth nothing."""


class Call(Struct, frozen=True, kw_only=True):
    """One request, to be made over and over, and the response it must get."""

    #: May contain ``{key}``, for which a key is drawn each time.
    path: str
    #: JSON, or empty for a request without a body.
    body: str = ""
    status: int = 200
    #: The expected body; None if it may be any.
    response: str | None = ""
    #: Number of keys to draw from. With keys, the response is the count of calls to its key.
    keys: int = 0


class Load(Struct, frozen=True, kw_only=True):
    """A load on one server: each connection sends its next request when it got its response."""

    port: int
    call: Call
    connections: int
    warm_up_s: float = 0.0
    #: How long to measure, unless ``requests`` says when to end.
    measure_s: float = 0.0
    #: End after so many requests instead.
    requests: int | None = None
    #: Sessions of the processes under load, whose processor time is taken.
    sessions: tuple[int, ...] = ()
    #: Those of them that are the server's and not the handlers'.
    server_sessions: tuple[int, ...] = ()
    #: Distinguishes the keys of this load from those of any other on the same server.
    key_prefix: str = ""


class LoadResult(Struct, frozen=True, kw_only=True):
    """What was measured between the end of the warm-up and the end of the load."""

    requests: int
    seconds: float
    #: Processor time of all processes under load, and of the server's among them.
    cpu_s: float
    server_cpu_s: float
    #: Processor time of the load generator.
    client_cpu_s: float
    resident_bytes: int
    server_resident_bytes: int
    #: Latency in microseconds to number of requests.
    latencies: dict[int, int]
    #: All requests answered, warm-up included.
    requests_in_all: int


def run_load(load: Load, *, under: Sequence[str] = ()) -> LoadResult:
    """Run a load in a process of its own, perhaps under a program that observes meanwhile.

    Raises:
        LoadError: a response was wrong, or a connection broke.
    """
    finished = subprocess.run(
        [*under, sys.executable, "-m", "benchmarks.generator"],
        input=msgspec.json.encode(load),
        capture_output=True,
        check=False,
    )
    if finished.returncode != 0:
        raise LoadError(finished.stderr.decode(errors="replace").strip()[-2000:])
    return msgspec.json.decode(finished.stdout, type=LoadResult)
