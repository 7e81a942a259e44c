"""The command line against a real server in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from cli_world import Ran, run_with

import perdure
from perdure.cli.errors import EXIT_REFUSED
from perdure.cli.surroundings import Surroundings

DEADLINE_S = 20.0

greeter = perdure.Service("Greeter")
counter = perdure.VirtualObject("Counter")


@greeter.handler()
async def greet(ctx: perdure.Context, name: str) -> str:
    loud = await ctx.run_typed("shout", name.upper)
    return f"Hello {loud}, {await ctx.object_call(add, key=name, arg=1)}"


@greeter.handler()
async def slow(ctx: perdure.Context) -> None:
    await ctx.sleep(timedelta(hours=1))


@greeter.handler()
async def broken(ctx: perdure.Context) -> None:
    raise ValueError("no luck")


@counter.handler()
async def add(ctx: perdure.ObjectContext, number: int) -> int:
    total = (await ctx.get("count", type_hint=int) or 0) + number
    ctx.set("count", total)
    return total


class Lab:
    """A server with a user of the command line."""

    def __init__(self, admin_url: str, ingress: httpx.AsyncClient) -> None:
        self._admin_url = admin_url
        self._ingress = ingress

    async def runs(self, *words: str) -> Ran:
        """Run a command line in a thread of its own: the server has this one."""
        surroundings = Surroundings(environment={}, home=Path("/nonexistent"))
        line = ["--admin-url", self._admin_url, "--yes", *words]
        return await asyncio.to_thread(run_with, surroundings, line)

    async def json(self, *words: str) -> Any:
        ran = await self.runs(*words, "--json")
        assert ran.code == 0, ran.err
        return ran.json

    async def sees(self, holds: Callable[[Any], bool], *words: str) -> Any:
        """Ask until the answer is as wished."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds(found := await self.json(*words)):  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(0.05)
        return found

    async def call(self, path: str, value: Any = None) -> Any:
        reply = await self._ingress.post(f"/{path}", json=value)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def send(self, path: str) -> str:
        reply = await self._ingress.post(f"/{path}/send")
        assert reply.status_code == 202, reply.text
        invocation_id: str = reply.json()["invocationId"]
        return invocation_id


def play(scenario: Callable[[Lab], Awaitable[None]]) -> None:
    async def main() -> None:
        app = perdure.app([greeter, counter])
        settings = {"worker.invoker.inactivity-timeout": "100ms"}
        async with (
            perdure.embedded(app, settings=settings) as runtime,
            httpx.AsyncClient(base_url=runtime.ingress_url, timeout=DEADLINE_S) as ingress,
        ):
            await scenario(Lab(runtime.admin_url, ingress))

    asyncio.run(main())


def has_status(status: str) -> Callable[[Any], bool]:
    return lambda document: document["status"] == status


def test_what_is_deployed_is_shown():
    async def scenario(lab: Lab) -> None:
        assert (await lab.json("whoami"))["healthy"]
        names = [service["name"] for service in await lab.json("services", "list")]
        assert names == ["Counter", "Greeter"]
        (deployment,) = await lab.json("deployments", "list")
        assert deployment["status"] == "Active"
        shown = await lab.runs("deployments", "describe", deployment["id"], "-o", "wide")
        assert (shown.code, "Greeter" in shown.out) == (0, True)
        assert (await lab.runs("services", "describe", "Greeter")).code == 0
        assert (await lab.runs("services", "config", "view", "Greeter")).code == 0
        assert (await lab.runs("invocations", "list")).code == 0

    play(scenario)


def test_the_journal_of_a_call_is_a_timeline():
    async def scenario(lab: Lab) -> None:
        assert await lab.call("Greeter/greet", "ann") == "Hello ANN, 1"
        (row,) = await lab.json("inv", "list", "--service", "Greeter", "--all")
        document = await lab.json("inv", "journal", row["id"])
        steps = [(step["type"], step["result"], step["value"]) for step in document["journal"]]
        assert steps == [
            ("Input", "", '"ann"'),
            ("Run", "success", '"ANN"'),
            ("Call", "success", "1"),
            ("Output", "success", '"Hello ANN, 1"'),
        ]
        assert all(step["took_s"] is not None for step in document["journal"][1:3])
        tail = await lab.runs("inv", "tail", row["id"])
        assert (tail.code, "completed: success" in tail.err) == (0, True)
        assert (await lab.runs("inv", "describe", row["id"])).code == 0

    play(scenario)


def test_invocations_are_cancelled_restarted_and_purged():
    async def scenario(lab: Lab) -> None:
        one = await lab.send("Greeter/slow")
        await lab.sees(has_status("suspended"), "inv", "describe", one)
        assert {row["id"] for row in await lab.json("inv", "cancel", "Greeter/slow")} == {one}
        ended = await lab.sees(has_status("completed"), "inv", "describe", one)
        assert ended["completion_failure"].startswith("[409]")
        (restarted,) = await lab.json("inv", "restart-as-new", one)
        again = restarted["new_invocation_id"]
        (killed,) = await lab.json("inv", "kill", again)
        assert killed["outcome"] == "done"
        assert len(await lab.json("inv", "purge", "Greeter")) == 2
        assert (await lab.runs("inv", "describe", one)).code == EXIT_REFUSED

    play(scenario)


def test_a_failing_invocation_is_paused_and_resumed():
    async def scenario(lab: Lab) -> None:
        one = await lab.send("Greeter/broken")
        failing = await lab.sees(has_status("backing-off"), "inv", "describe", one)
        assert "no luck" in failing["last_failure"]
        (row,) = (await lab.json("services", "status", "Greeter"))["handlers"]
        assert row["handler"] == "broken"
        assert (await lab.runs("inv", "pause", one)).code == 0
        paused = await lab.sees(has_status("paused"), "inv", "describe", one)
        assert "TransientError" in [step["type"] for step in paused["journal"]]
        assert (await lab.runs("inv", "resume", "Greeter")).code == 0
        await lab.sees(lambda document: document["status"] != "paused", "inv", "describe", one)
        assert (await lab.runs("inv", "kill", one)).code == 0

    play(scenario)


def test_the_commands_of_the_night_work_as_the_manual_writes_them():
    async def scenario(lab: Lab) -> None:
        one = await lab.send("Greeter/broken")
        (row,) = await lab.sees(len, "invocations", "list", "--status", "backing-off")
        assert (row["id"], "no luck" in row["last_failure"]) == (one, True)
        assert (await lab.runs("services", "status")).lines[1][:2] == ["Greeter", "broken"]
        assert one in (await lab.runs("invocations", "journal", one)).out
        (resumed,) = await lab.json("invocations", "resume", "Greeter/broken")
        assert (resumed["id"], resumed["outcome"]) == (one, "done")
        shown = await lab.runs("invocations", "kill", "Greeter", "--dry-run")
        assert (shown.code, one in shown.out) == (0, True)
        assert (await lab.json("invocations", "describe", one))["status"] != "completed"

    play(scenario)


def test_state_is_shown_patched_and_cleared():
    async def scenario(lab: Lab) -> None:
        assert await lab.call("Counter/k/add", 4) == 4
        assert await lab.json("state", "get", "Counter", "k") == {"count": 4}
        patch = '[{"op": "replace", "path": "/count", "value": 40}]'
        assert (await lab.runs("state", "patch", "Counter", "k", "--patch", patch)).code == 0
        await lab.sees(lambda state: state == {"count": 40}, "state", "get", "Counter", "k")
        assert await lab.call("Counter/k/add", 2) == 42
        assert (await lab.runs("state", "clear", "Counter")).code == 0
        await lab.sees(lambda state: state == {}, "state", "get", "Counter", "k")

    play(scenario)


def test_sql_is_answered_and_its_errors_are_told():
    async def scenario(lab: Lab) -> None:
        await lab.call("Counter/k/add", 1)
        words = ["sql", "SELECT target, status FROM sys_invocation"]
        assert await lab.json(*words) == [{"target": "Counter/k/add", "status": "completed"}]
        wrong = await lab.runs("sql", "SELECT nothing FROM nowhere")
        assert (wrong.code, wrong.out) == (EXIT_REFUSED, "")
        assert "nowhere" in wrong.err

    play(scenario)
