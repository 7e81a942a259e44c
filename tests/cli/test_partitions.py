"""Servers of several partitions, in as many processes: nobody notices, whatever ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from dev_process import DEADLINE_S, Dev, gone, until
from test_dev_command import ends_with, run

from perdure.cli.errors import EXIT_SERVER, EXIT_USAGE
from perdure.core.model.shares import share_of
from perdure.storage.directory import DataDirectory

SHOP = """
    import asyncio, os, subprocess, time
    from datetime import timedelta
    import perdure

    greeter = perdure.Service("Greeter")
    counter = perdure.VirtualObject("Counter")
    signup = perdure.Workflow("Signup")

    @greeter.handler()
    async def where(ctx: perdure.Context) -> int:
        return os.getpid()

    @greeter.handler()
    async def block(ctx: perdure.Context) -> None:
        if os.getsid(0) == os.getpid():  # not in the first, which deals connections
            print("busy", flush=True)
            time.sleep(60)

    @greeter.handler()
    async def fork(ctx: perdure.Context) -> int:
        child = os.fork()
        if child == 0:
            time.sleep(3600)
        return child

    @greeter.handler()
    async def leak(ctx: perdure.Context) -> list[str]:
        command = "for each in /proc/self/fd/*; do readlink $each; done"
        shell = subprocess.run(command, shell=True, close_fds=False, stdout=subprocess.PIPE)
        return shell.stdout.decode().split()

    @greeter.handler()
    async def count_all(ctx: perdure.Context, keys: list[str]) -> list[int]:
        return list(await asyncio.gather(*(ctx.object_call(add, key, 1) for key in keys)))

    @greeter.handler()
    async def wait(ctx: perdure.Context) -> str:
        awakeable, future = ctx.awakeable(type_hint=str)
        ctx.object_send(put, "awakeable", awakeable)
        return await future

    @greeter.handler()
    async def sleep(ctx: perdure.Context) -> None:
        await ctx.sleep(timedelta(days=1))

    @counter.handler()
    async def nap(ctx: perdure.ObjectContext) -> int:
        print("snoring", flush=True)
        await asyncio.to_thread(time.sleep, 1)
        return os.getpid()

    @counter.handler()
    async def add(ctx: perdure.ObjectContext, by: int) -> int:
        total = (await ctx.get("total", type_hint=int) or 0) + by
        ctx.set("total", total)
        return total

    @counter.handler()
    async def put(ctx: perdure.ObjectContext, value: str) -> None:
        ctx.set("value", value)

    @counter.handler(kind="shared")
    async def value(ctx: perdure.ObjectSharedContext) -> str | None:
        return await ctx.get("value", type_hint=str)

    @signup.main()
    async def begin(ctx: perdure.WorkflowContext, name: str) -> str:
        return f"{name}: {await ctx.promise('code', type_hint=str).value()}"

    @signup.handler()
    async def confirm(ctx: perdure.WorkflowSharedContext, code: str) -> None:
        await ctx.promise("code", type_hint=str).resolve(code)

    app = perdure.app([greeter, counter, signup])
"""

KEYS = [f"key-{number}" for number in range(12)]


@pytest.fixture(autouse=True)
def only_options_say_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_DEFAULT_NUM_PARTITIONS", raising=False)


@pytest.fixture
def forked() -> Iterator[list[int]]:
    """Take the ids of processes that handlers fork off; they end with the test."""
    children: list[int] = []
    yield children
    for each in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def start(
    dev: Dev, *options: str, source: str = SHOP, variables: dict[str, str] | None = None
) -> None:
    dev.write(source)
    dev.start("--no-reload", *options, **(variables or {}))
    assert dev.url


def select(dev: Dev, query: str) -> list[dict]:
    url = f"{dev.admin_url}/query"
    answer = httpx.post(url, json={"query": query}, headers={"accept": "application/json"})
    return answer.raise_for_status().json()["rows"]


def processes(dev: Dev) -> list[int]:
    """Give the processes of all partitions."""
    assert dev.process is not None
    return [dev.process.pid, *dev.children()]


def test_requests_of_all_kinds_find_their_partition(dev):
    start(dev, "--partitions", "3")
    served = {dev.ask("/Greeter/where").json() for _ in range(3)}
    assert served == set(processes(dev)), "each has its part of the connections"
    for total in (1, 2):
        assert dev.ask("/Greeter/count_all", KEYS).json() == [total] * len(KEYS)
    for key in KEYS:
        assert dev.ask(f"/Counter/{key}/add", 1).json() == 3
        again = [dev.ask(f"/Counter/{key}/add", 1, **{"idempotency-key": "once"}) for _ in (1, 2)]
        assert [each.json() for each in again] == [4, 4]
    rows = select(dev, "select target_service_key from sys_invocation where target like '%add'")
    assert len(rows) == 4 * len(KEYS), "queries see all partitions"
    with ThreadPoolExecutor(4) as threads:
        begun = [threads.submit(dev.ask, f"/Signup/{number}/begin", "Ada") for number in range(4)]
        for number in range(4):
            confirmed = dev.ask(f"/Signup/{number}/confirm", f"c{number}")
            assert confirmed.status_code == 200
        assert [each.result().json() for each in begun] == [f"Ada: c{each}" for each in range(4)]
    assert dev.stop() == 0
    assert all(gone(each) for each in served)


def test_an_awakeable_is_completed_and_an_invocation_cancelled_wherever_it_lives(dev):
    start(dev, "--partitions", "2")
    for _ in range(2):
        waiting = dev.ask("/Greeter/wait/send").json()["invocationId"]
        awakeable = until(lambda: dev.ask("/Counter/awakeable/value").json(), "the awakeable")
        for url in (dev.url, dev.url):
            httpx.post(f"{url}/restate/awakeables/{awakeable}/resolve", json="there")
        attached = httpx.get(f"{dev.url}/restate/invocation/{waiting}/attach", timeout=DEADLINE_S)
        assert attached.json() == "there"
        dev.ask("/Counter/awakeable/put", None)
        asleep = dev.ask("/Greeter/sleep/send").json()["invocationId"]
        killed = run(dev, "invocations", "kill", asleep, "--yes", PERDURE_ADMIN_URL=dev.admin_url)
        assert killed.returncode == 0, killed.stderr
        until(lambda whose=asleep: outcome(dev, whose) == "completed", "its end")
    assert dev.stop() == 0


def outcome(dev: Dev, invocation_id: str) -> str:
    rows = select(dev, "select id, status from sys_invocation")
    return {row["id"]: row["status"] for row in rows}[invocation_id]


@pytest.mark.parametrize("whom", ["first", "another"])
def test_all_end_when_one_is_killed_and_everything_goes_on_at_the_next_start(dev, whom, forked):
    start(dev, "--partitions", "3")
    all_of_them = processes(dev)
    # What a step has forked off may go on for as long as it likes, and holds nobody up.
    forked += [dev.ask("/Greeter/fork").json() for _ in all_of_them]
    assert dev.ask("/Greeter/count_all", KEYS).json() == [1] * len(KEYS)
    for number in range(3):
        dev.ask(f"/Signup/{number}/begin/send", "Ada")
    os.kill(all_of_them[0 if whom == "first" else 2], signal.SIGKILL)
    code = dev.wait()
    if whom == "another":
        assert code == EXIT_SERVER
        assert f"process {all_of_them[2]} of partition 2 was ended by signal 9" in dev.said
    until(lambda: all(gone(each) for each in all_of_them), "the end of all")
    assert not any(gone(each) for each in forked)
    dev.start("--no-reload")  # the directory knows how many there are
    assert len(processes(dev)) == 1 + 2 if dev.url else 0
    assert dev.ask("/Greeter/count_all", KEYS).json() == [2] * len(KEYS)
    for number in range(3):
        dev.ask(f"/Signup/{number}/confirm", "c")
        attached = httpx.get(f"{dev.url}/restate/workflow/Signup/{number}/attach", timeout=20)
        assert attached.json() == "Ada: c"
    assert dev.stop() == 0


@pytest.mark.parametrize("asked", ["first", "another"])
def test_a_stop_waits_for_what_runs_wherever_somebody_waits_for_it(dev, asked):
    start(dev, "--partitions", "2")
    all_of_them = processes(dev)
    with ThreadPoolExecutor(8) as threads:
        naps = [threads.submit(dev.ask, f"/Counter/{key}/nap") for key in KEYS[:8]]
        until(lambda: dev.said.count("snoring") == 8, "all naps")
        os.kill(all_of_them[0 if asked == "first" else 1], signal.SIGTERM)
        assert dev.wait() == 0
        answers = [each.result() for each in naps]
    assert {each.json() for each in answers} == set(all_of_them)
    assert all(gone(each) for each in all_of_them)


def test_a_second_signal_leaves_at_once(dev):
    start(dev, "--partitions", "2")
    all_of_them = processes(dev)
    with ThreadPoolExecutor(2) as threads:
        for key in KEYS[:2]:
            threads.submit(ask_in_vain, dev, f"/Counter/{key}/nap")
        until(lambda: dev.said.count("snoring") == 2, "both naps")
        dev.signal(signal.SIGTERM)
        dev.until_said("stopping")
        dev.signal(signal.SIGTERM)
        assert dev.wait() == 128 + signal.SIGTERM
        until(lambda: all(gone(each) for each in all_of_them), "the end of all")


def test_a_signal_to_all_of_them_is_no_second_one(dev):
    start(dev, "--partitions", "3")
    for each in reversed(processes(dev)):  # as who runs the server in a group of its own sends it
        os.kill(each, signal.SIGTERM)
        dev.until_said("stopping")
    assert dev.wait() == 0


def test_one_that_does_not_stop_is_ended_and_told(dev):
    start(dev, "--partitions", "2", variables={"PERDURE_SHUTDOWN_TIMEOUT": "300ms"})
    first, frozen = processes(dev)
    os.kill(frozen, signal.SIGSTOP)
    assert dev.stop() == EXIT_SERVER
    assert "the process of partition 1 did not stop in time" in dev.said
    assert gone(first)
    until(lambda: gone(frozen), "the end of the one that was frozen")


@pytest.mark.parametrize("reload", ["--no-reload", "-r"], ids=["once", "reloading"])
def test_programs_that_handlers_start_have_nothing_of_the_server(dev, reload):
    dev.write(SHOP)
    dev.start(reload, "--partitions", "2")
    for _ in range(2):
        has = dev.ask("/Greeter/leak").json()
        assert not [each for each in has if each.startswith("socket:")]


def test_partitions_of_different_backups_are_refused_before_a_door_opens(dev):
    start(dev, "--partitions", "2")
    dev.ask("/Greeter/count_all", KEYS)
    assert dev.stop() == 0
    data = dev.folder / "perdure-data"
    shutil.copytree(data / "partition-1", dev.folder / "backup")
    dev.start("--no-reload")
    for _ in range(2):
        dev.ask("/Greeter/count_all", KEYS)
    assert dev.stop() == 0
    shutil.rmtree(data / "partition-1")
    shutil.move(dev.folder / "backup", data / "partition-1")
    refused = run(dev, "dev", "shop:app", "--no-reload")
    ends_with(refused, EXIT_SERVER, "do not fit together", "from one backup")
    assert "ingress" not in refused.stdout


def ask_in_vain(dev: Dev, path: str) -> None:
    """Ask those who will not answer."""
    with contextlib.suppress(httpx.TransportError):
        dev.ask(path)


def test_another_number_of_partitions_is_refused_with_what_to_do(dev):
    dev.write(SHOP)
    made(dev, 2)
    said = "has 2 partitions, and that cannot change"
    for number in ("1", "3"):
        refused = run(dev, "dev", "shop:app", "--no-reload", "--partitions", number)
        ends_with(refused, EXIT_SERVER, said, "write --partitions 2 or nothing")
    refused = run(dev, "dev", "shop:app", PERDURE_DEFAULT_NUM_PARTITIONS="65")
    ends_with(refused, EXIT_USAGE, "from 1 to 64")


def made(dev: Dev, partitions: int) -> Path:
    """Make a data directory where the command looks for it."""
    path = dev.folder / "perdure-data"
    DataDirectory.open(path, share_of(0, partitions)).close()
    return path


def test_a_partition_that_cannot_be_opened_is_told_and_nothing_left_behind(dev):
    dev.write(SHOP)
    (made(dev, 2) / "partition-1" / "FORMAT").write_text("{}")
    refused = run(dev, "dev", "shop:app", "--no-reload")
    ends_with(refused, EXIT_SERVER, "error: partition 1: [RT0009]", "exit code 3; see above")
    DataDirectory.open(dev.folder / "perdure-data", share_of(0, 2)).close()


def test_nothing_is_kept_of_partitions_in_memory(dev):
    dev.start("--partitions", "2", target=None)
    assert dev.url
    assert len(processes(dev)) == 2
    assert httpx.get(f"{dev.url}/restate/health").status_code == 200
    assert dev.stop() == 0
    assert [each.name for each in dev.folder.iterdir()] == [dev.output.name]


def test_a_change_of_the_source_starts_all_anew(dev):
    dev.write(SHOP)
    dev.start("--partitions", "2")
    first = {dev.ask("/Greeter/where").json() for _ in range(2)}
    dev.write(SHOP.replace("return os.getpid()", "return [os.getpid()]"))
    dev.until_said("source changed")
    until(lambda: isinstance(dev.ask("/Greeter/where").json(), list), "new code")
    second = {dev.ask("/Greeter/where").json()[0] for _ in range(2)}
    assert len(second) == 2
    assert second.isdisjoint(first)
    assert all(gone(each) for each in first)
    dev.signal(signal.SIGKILL)
    until(lambda: all(gone(each) for each in second), "the end of all")


#: Its processes go by a clock that a file sets, in seconds ahead of the system's.
OF_THE_CLOCK = """
    import pathlib, time
    from datetime import timedelta
    import perdure

    ahead, real, real_ns = pathlib.Path("ahead"), time.time, time.time_ns
    time.time = lambda: real() + int(ahead.read_text())
    time.time_ns = lambda: real_ns() + int(ahead.read_text()) * 10**9

    greeter = perdure.Service("Greeter")
    counter = perdure.VirtualObject("Counter")

    @greeter.handler()
    async def add_later(ctx: perdure.Context, keys: list[str]) -> None:
        for key in keys:
            ctx.object_send(add, key, 1, send_delay=timedelta(hours=1))

    @counter.handler()
    async def add(ctx: perdure.ObjectContext, by: int) -> int:
        await ctx.sleep(timedelta(milliseconds=1))
        total = (await ctx.get("total", type_hint=int) or 0) + by
        ctx.set("total", total)
        return total

    app = perdure.app([greeter, counter])
"""


def test_a_clock_that_was_set_costs_no_partition_a_message(dev):
    keys, once = KEYS[:6], {"idempotency-key": "once"}

    def totals(by: int, **headers: str) -> set[int]:
        return {dev.ask(f"/Counter/{key}/add", by, **headers).json() for key in keys}

    set_clock(dev, 0)
    start(dev, "--partitions", "2", source=OF_THE_CLOCK)
    for _ in range(2):  # from each of them to both
        dev.ask("/Greeter/add_later", keys)
    assert totals(1, **once) == {1}
    set_clock(dev, -3600)
    dev.ask("/Greeter/add_later", keys)
    assert totals(1) == {2}
    assert totals(1, **once) == {1}
    assert dev.stop() == 0
    set_clock(dev, 2 * 3600)
    dev.start("--no-reload")
    until(lambda: totals(0) == {2 + 3}, "all that came due meanwhile")
    set_clock(dev, 0)
    assert totals(1) == {6}
    assert totals(1, **once) == {1}
    assert dev.stop() == 0


def set_clock(dev: Dev, ahead_s: int) -> None:
    unfinished = dev.folder / "ahead.new"
    unfinished.write_text(str(ahead_s))
    unfinished.replace(dev.folder / "ahead")


def test_a_process_that_is_busy_does_not_outlive_the_others(dev):
    start(dev, "--partitions", "2")
    all_of_them = processes(dev)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(2):
            threads.submit(ask_in_vain, dev, "/Greeter/block")
        dev.until_said("busy")
        os.kill(all_of_them[0], signal.SIGKILL)
        until(lambda: all(gone(each) for each in all_of_them), "the end of all", 10)


def test_an_error_of_the_user_s_code_is_told_once(dev):
    dev.write("1 / 0")
    failed = run(dev, "dev", "shop:app", "--no-reload", "--partitions", "3")
    assert failed.returncode == EXIT_USAGE
    assert failed.stderr.count("ZeroDivisionError") == 1


def test_what_differs_from_process_to_process_is_refused(dev):
    dev.write(SHOP.replace('Service("Greeter")', 'Service(f"Greeter{os.getpid()}")'))
    failed = run(dev, "dev", "shop:app", "--no-reload", "--partitions", "2", "--data-dir", "d")
    assert failed.returncode == EXIT_USAGE, failed.stderr
    assert "do not serve the same" in failed.stderr
