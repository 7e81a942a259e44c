"""Shapes of load on services elsewhere: many streams, many wake-ups at once, much in one piece.

Three experiments: so many attempts open at the same time; so many suspended invocations woken at
the same moment; payloads of 30 MiB there and back, and how long others wait meanwhile.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks.asking import ask
from benchmarks.load import Call, Load, LoadError, run_load
from benchmarks.processes import ProgramError, cpu_seconds, end_tidily
from benchmarks.remote import Part, Remote, nothing
from benchmarks.report import number, table
from benchmarks.system import OURS, System, scratch_folder

#: So often it is looked whether others wait. Each look is a request that the server answers
#: meanwhile: 200 a second took a twentieth of its time.
PROBE_S: Final = 0.02
WAIT_S_MAX: Final = 120.0
PAYLOAD_BYTES: Final = 30 * 1024 * 1024

Row = dict[str, float]
Experiment = Callable[[type[System], Path, "Plan"], Row]


class Plan(Struct, frozen=True):
    """How much is measured."""

    streams: int
    suspended: int
    #: How long the invocations sleep: longer than it takes to start them all.
    sleep_s: float
    payloads: int


FULL = Plan(streams=1000, suspended=10_000, sleep_s=40.0, payloads=3)
QUICK = Plan(streams=200, suspended=500, sleep_s=4.0, payloads=1)


def launch_server(system: Remote, *settings: str) -> None:
    """Start our server alone."""
    assignments = [word for setting in settings for word in ("--set", setting)]
    system.start(
        *(sys.executable, "-m", "perdure", "server", "--base-dir", system.folder / "data"),
        *("--ingress-port", str(system.port), "--admin-port", str(system.admin_port)),
        *assignments,
        env=OURS,
    )


def launch_impatient_server(system: Remote) -> None:
    """Start it so that whatever waits is suspended at once."""
    launch_server(system, "worker.invoker.inactivity-timeout=0s")


def launch_services(system: Remote) -> None:
    """Start the handlers in a process of their own."""
    system.start(
        *(sys.executable, "-m", "perdure", "serve", "benchmarks.apps.shapes:app"),
        *("--port", str(system.service_port)),
        env=OURS,
    )


class Patient(Remote):
    """Our server and our SDK; attempts stay open while they wait."""

    name = "patient"
    server = Part("perdure-server", nothing, launch_server)
    service = Part("perdure-serve", nothing, launch_services)


class Impatient(Remote):
    """Our server and our SDK; whatever waits is suspended."""

    name = "impatient"
    server = Part("perdure-server", nothing, launch_impatient_server)
    service = Part("perdure-serve", nothing, launch_services)


def main() -> None:
    """Run the experiments that the command line asks for."""
    end_tidily()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers of everything")
    parser.add_argument("--only", nargs="+", choices=list(EXPERIMENTS), default=list(EXPERIMENTS))
    options = parser.parse_args()
    for name in options.only:
        title, system, experiment = EXPERIMENTS[name]
        with scratch_folder() as folder:
            try:
                row = experiment(system, folder, QUICK if options.quick else FULL)
            except (LoadError, ProgramError) as error:
                sys.exit(f"{name} failed: {error}")
        drawn = table([list(row), [number(each) for each in row.values()]])
        print(f"{title}\n{drawn}\n", flush=True)


def open_streams(system: type[System], folder: Path, plan: Plan) -> Row:
    """Hold many attempts open, and let them all end at the same moment."""
    with system(folder) as running:
        return sleep_together(running, plan.streams, plan.sleep_s / 2)


def wake_suspended(system: type[System], folder: Path, plan: Plan) -> Row:
    """Suspend many invocations, and wake them all at the same moment."""
    with system(folder) as running:
        return sleep_together(running, plan.suspended, plan.sleep_s)


def sleep_together(running: System, invocations: int, sleep_s: float) -> Row:
    """Let invocations sleep until the same moment; time how long after it all went on.

    Raises:
        LoadError: they could not be started in time, or did not all go on.
    """
    at_s = time.time() + sleep_s
    call = Call(
        path="/Shapes/sleep_until/send",
        body=json.dumps(at_s),
        status=202,
        response=None,
    )
    load = Load(
        port=running.port,
        call=call,
        connections=32,
        requests=invocations,
        sessions=running.sessions,
    )
    run_load(load)
    left_s = at_s - time.time()
    if left_s < 1:
        raise LoadError(f"starting {invocations} invocations took too long for {sleep_s} s")
    before = used_cpu_s(running)
    time.sleep(left_s + 0.2)
    with probing(running) as delays:
        awake = wait_awake(running, invocations, at_s)
    late = sorted(each - at_s for each in awake)
    server_s, all_s = (now - then for now, then in zip(used_cpu_s(running), before, strict=True))
    return {
        "invocations": float(invocations),
        "half awake s": late[len(late) // 2],
        "all awake s": late[-1],
        "server CPU ms each": 1000 * server_s / invocations,
        "service CPU ms each": 1000 * (all_s - server_s) / invocations,
        "others wait ms": 1000 * max(delays, default=0.0),
    }


def used_cpu_s(running: System) -> tuple[float, float]:
    """Give the processor time that the server has used so far, and that of all processes."""
    return cpu_seconds(running.server_sessions), cpu_seconds(running.sessions)


def wait_awake(running: System, invocations: int, since_s: float) -> list[float]:
    """Wait until so many handlers went on; give when.

    Raises:
        LoadError: they did not.
    """
    deadline = time.monotonic() + WAIT_S_MAX
    while time.monotonic() < deadline:
        reply = ask(running.url("/Shapes/awake"), since_s, timeout_s=WAIT_S_MAX)
        awake: list[float] = json.loads(reply.body) if reply.status == 200 else []
        if len(awake) >= invocations:
            return awake
        time.sleep(0.5)
    raise LoadError(f"{invocations} invocations were not awake after {WAIT_S_MAX} s")


def large_payloads(system: type[System], folder: Path, plan: Plan) -> Row:
    """Send large payloads to a service and back, and see how long others wait meanwhile."""
    with system(folder) as running:
        times = []
        with probing(running) as delays:
            for _ in range(plan.payloads):
                # A process of its own: what it does must not hold up the probes.
                with get_context("spawn").Pool(1) as pool:
                    times.append(pool.apply(echo_payload, (running.port,)))
        return {
            "MiB each way": PAYLOAD_BYTES / 2**20,
            "seconds": sum(times) / len(times),
            "others wait ms": 1000 * max(delays),
        }


def echo_payload(port: int) -> float:
    """Send a payload to be given back; give the seconds it took.

    Raises:
        LoadError: something else came back.
    """
    payload = bytes(range(256)) * (PAYLOAD_BYTES // 256)
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S_MAX)
    connection.request(
        "POST", "/Shapes/echo", payload, {"content-type": "application/octet-stream"}
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if (response.status, body) != (200, payload):
        raise LoadError(f"the payload came back with {response.status} and {len(body)} bytes")
    return time.perf_counter() - began


@contextmanager
def probing(running: System) -> Iterator[list[float]]:
    """Ask for the server's health again and again; give how many seconds each answer took."""
    delays: list[float] = []
    stop = threading.Event()

    def probe() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=WAIT_S_MAX)
        while not stop.wait(PROBE_S):
            began = time.perf_counter()
            connection.request("GET", "/restate/health")
            connection.getresponse().read()
            delays.append(time.perf_counter() - began)
        connection.close()

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield delays
    finally:
        stop.set()
        thread.join()


EXPERIMENTS: Final[dict[str, tuple[str, type[System], Experiment]]] = {
    "streams": ("Attempts open at the same time, ended at once", Patient, open_streams),
    "suspended": ("Suspended invocations woken at once", Impatient, wake_suspended),
    "payloads": ("Large payloads to a service and back", Patient, large_payloads),
}


if __name__ == "__main__":
    main()
