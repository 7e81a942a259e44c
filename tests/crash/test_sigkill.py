"""The real process, killed without warning again and again under load; then the books."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from crash_server import Server

KILLS = 20
CLIENTS = 16


@dataclass
class Books:
    """What was acknowledged to clients."""

    added: Counter[str] = field(default_factory=Counter)
    steps: dict[str, list[str]] = field(default_factory=dict)
    letters: set[str] = field(default_factory=set)
    naps: Counter[str] = field(default_factory=Counter)
    fans: set[str] = field(default_factory=set)
    exchanges: set[str] = field(default_factory=set)
    signups: dict[str, str] = field(default_factory=dict)


class Clients:
    """Send mixed work until told to stop; each request is repeated until it is answered."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self.server = server
        self.chance = chance
        self.books = Books()
        self.numbers = itertools.count()
        self.stopping = False

    async def request(self, http: httpx.AsyncClient, path: str, body: Any, key: str | None) -> Any:
        headers = {} if key is None else {"idempotency-key": key}
        while True:
            try:
                reply = await http.post(f"{self.server.url}{path}", json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            if reply.status_code in (429, 503):
                await asyncio.sleep(0.05)
                continue
            assert reply.status_code == 200, (path, reply.status_code, reply.text)
            return reply.json() if reply.content else None

    async def add(self, http: httpx.AsyncClient, number: int) -> None:
        name = f"c{self.chance.randrange(5)}"
        await self.request(http, f"/Counter/{name}/add", 1, f"add-{number}")
        self.books.added[name] += 1

    async def steps(self, http: httpx.AsyncClient, number: int) -> None:
        name = f"steps-{number}"
        self.books.steps[name] = await self.request(http, "/Work/steps", name, name)

    async def naps(self, http: httpx.AsyncClient, number: int) -> None:
        name = f"naps-{self.chance.randrange(5)}"
        await self.request(http, "/Work/naps", name, f"nap-{number}")
        self.books.naps[name] += 1

    async def letters(self, http: httpx.AsyncClient, number: int) -> None:
        name = f"letters-{number}"
        await self.request(http, "/Work/letters", name, name)
        self.books.letters.add(name)

    async def fan_out(self, http: httpx.AsyncClient, number: int) -> None:
        name = f"fan-{number}"
        assert await self.request(http, "/Work/fan_out", name, name) == 6
        self.books.fans.add(name)

    async def exchange(self, http: httpx.AsyncClient, number: int) -> None:
        name = f"exchange-{number}"
        assert await self.request(http, "/Work/exchange", name, name) == [1, 3]
        self.books.exchanges.add(name)

    async def signup(self, http: httpx.AsyncClient, number: int) -> None:
        name = f"signup-{number}"
        send = f"{self.server.url}/Signup/{name}/run/send"
        while True:
            try:
                reply = await http.post(send, json="a@b.c")
                if reply.status_code == 202:
                    break
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)
        await self.request(http, f"/Signup/{name}/answer", "yes", f"answer-{number}")
        while True:
            try:
                url = f"{self.server.url}/restate/workflow/Signup/{name}/attach"
                reply = await http.get(url)
                if reply.status_code == 200:
                    self.books.signups[name] = reply.json()
                    return
                assert reply.status_code in (429, 503), reply.text
            except httpx.TransportError:
                await asyncio.sleep(0.02)

    async def work(self) -> None:
        kinds: list[Callable[[httpx.AsyncClient, int], Awaitable[None]]] = [
            self.add,
            self.steps,
            self.naps,
            self.letters,
            self.fan_out,
            self.exchange,
            self.signup,
        ]
        async with httpx.AsyncClient(timeout=60) as http:
            while not self.stopping:
                await self.chance.choice(kinds)(http, next(self.numbers))


@pytest.mark.timeout(300)
def test_the_books_are_right_after_twenty_kills(tmp_path: Path) -> None:
    server = Server("crash_shop:app", tmp_path / "data", tmp_path / "server.log")
    asyncio.run(kill_and_check(server, KILLS, kill_server))


#: Kills a server, or a part of it, and returns when it can be started again.
Kill = Callable[[Server, random.Random], Awaitable[None]]


async def kill_server(server: Server, _chance: random.Random) -> None:
    server.kill()


async def kill_and_check(server: Server, times: int, kill: Kill) -> None:
    seed = int(os.environ.get("BOOKS_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    server.start()
    await server.ready()
    clients = Clients(server, chance)
    try:
        async with asyncio.timeout(280), asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(clients.work())
            for _ in range(times):
                await asyncio.sleep(chance.uniform(0.05, 0.5))
                await kill(server, chance)
                server.start()
                await server.ready()
            clients.stopping = True
        await check(server, clients.books)
        assert server.stop() == 0, server.log.read_text()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


async def check(server: Server, books: Books) -> None:
    """Compare what was acknowledged with what is there."""
    assert books.added, "the clients got something done"
    assert books.steps
    assert books.signups
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        for name, count in books.added.items():
            assert (await http.post(f"/Counter/{name}/total")).json() == count, name
        for name, count in books.naps.items():
            assert (await http.post(f"/Counter/{name}/total")).json() == count, name
        for name, tokens in books.steps.items():
            assert (await http.post(f"/Ledger/{name}/lines")).json() == tokens, name
        for name in books.letters:
            await arrived(http, name, ["0", "1", "2", "3", "4", "late"])
        for name in books.fans:
            for number in range(4):
                total = (await http.post(f"/Counter/{name}-{number}/total")).json()
                assert total == number, name
        for name in books.exchanges:
            assert (await http.post(f"/Counter/{name}/total")).json() == 1, name
            assert (await http.post(f"/Counter/{name}-too/total")).json() == 3, name
    for name, result in books.signups.items():
        assert result == "a@b.c yes", name
    await all_ended(server)


async def all_ended(server: Server) -> None:
    """Nothing is stuck: whatever was begun comes to its end."""
    question = {
        "query": "SELECT id, target, status FROM sys_invocation WHERE status <> 'completed'"
    }
    headers = {"accept": "application/json"}
    async with httpx.AsyncClient(base_url=server.admin_url, timeout=60) as http:
        async with asyncio.timeout(30):
            while True:
                reply = await http.post("/query", json=question, headers=headers)
                if reply.status_code == 200 and not reply.json()["rows"]:
                    return
                await asyncio.sleep(0.1)


async def arrived(http: httpx.AsyncClient, name: str, expected: list[str]) -> None:
    """One-way messages are delivered, in order, if not at once."""
    async with asyncio.timeout(30):
        while True:
            lines = (await http.post(f"/Ledger/{name}/lines")).json()
            if len(lines) >= len(expected):
                assert lines == expected, name
                return
            await asyncio.sleep(0.02)
