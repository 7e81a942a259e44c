"""Queries over HTTP, against a whole server with its store on disk."""

from __future__ import annotations

import asyncio
import contextlib

import httpx

import perdure
from perdure.server.doors import bind
from perdure.server.runtime import Failure, open_runtime
from perdure.server.settings import Settings

DEADLINE_S = 30
ENDLESS = "SELECT COUNT(*) FROM generate_series(1, 100000000000) a, generate_series(1, 10000) b"

counter = perdure.VirtualObject("Counter")


@counter.handler()
async def add(ctx: perdure.ObjectContext, number: int) -> int:
    total = (await ctx.get("total", type_hint=int) or 0) + number
    ctx.set("total", total)
    return total


@contextlib.asynccontextmanager
async def serving(folder):
    """Run a server, and a client of it."""
    settings = Settings(data_dir=folder, shutdown_timeout_ms=1_000)
    with contextlib.ExitStack() as stack:
        doors = {
            name: stack.enter_context(bind("127.0.0.1", 0, "--port"))
            for name in ("ingress", "admin")
        }
        hosts = {"app": perdure.app([counter]).host()}
        async with (
            asyncio.timeout(DEADLINE_S),
            open_runtime(settings, hosts, doors, Failure()) as runtime,
            httpx.AsyncClient(timeout=DEADLINE_S) as client,
        ):
            yield runtime, client


async def query(runtime, client, sql):
    headers = {"accept": "application/json"}
    answered = await client.post(
        f"{runtime.admin_url}/v4/query", json={"query": sql}, headers=headers
    )
    assert answered.status_code == 200, answered.text
    return answered.json()["rows"]


async def test_what_was_answered_is_seen(tmp_path):
    async with serving(tmp_path) as (runtime, client):
        for number in range(1, 6):
            await client.post(f"{runtime.ingress_url}/Counter/{number % 2}/add", json=number)
        states = await query(
            runtime, client, "SELECT service_key, value_utf8 FROM state ORDER BY 1"
        )
        assert [tuple(row.values()) for row in states] == [("0", "6"), ("1", "9")]
        [journals] = await query(
            runtime,
            client,
            "SELECT COUNT(DISTINCT id) AS n FROM sys_journal "
            "WHERE entry_type = 'Command: SetState'",
        )
        assert journals == {"n": 5}
        [counted] = await query(
            runtime,
            client,
            "SELECT target, status, COUNT(*) AS n FROM sys_invocation "
            "WHERE target_service_key = '1' GROUP BY target, status",
        )
        assert counted == {"target": "Counter/1/add", "status": "completed", "n": 3}


async def test_a_server_stops_in_spite_of_an_endless_query(tmp_path):
    async with serving(tmp_path) as (runtime, client):
        with contextlib.suppress(httpx.ReadTimeout):
            await client.post(f"{runtime.admin_url}/query", json={"query": ENDLESS}, timeout=0.5)
        unread = asyncio.ensure_future(
            client.post(f"{runtime.admin_url}/query", json={"query": ENDLESS})
        )
        assert await query(runtime, client, "SELECT 1 AS one") == [{"one": 1}]
    await asyncio.gather(unread, return_exceptions=True)
