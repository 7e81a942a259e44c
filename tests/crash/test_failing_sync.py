"""The real process on a disk whose syncs fail: it promises nothing more, says why, and stops."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import httpx
import pytest
from bad_disk import BadDisk
from crash_server import Server
from test_sigkill import CLIENTS, Clients, check

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not BadDisk.possible(), reason="there is no C compiler here"),
]
#: How long a server may take to notice and to stop, in seconds.
STOP_S = 40.0
TIMES = 2


def test_what_was_acknowledged_survives_failing_syncs(tmp_path: Path) -> None:
    asyncio.run(fail_and_check(tmp_path))


async def fail_and_check(tmp_path: Path) -> None:
    chance = random.Random(7)
    disk = BadDisk(tmp_path)
    server = Server("crash_shop:app", tmp_path / "data", tmp_path / "server.log", disk.environment)
    clients = Clients(server, chance)
    server.start()
    try:
        await server.ready()
        async with asyncio.timeout(100), asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(clients.work())
            for time in range(TIMES):
                await asyncio.sleep(chance.uniform(0.5, 1.0))
                disk.go_bad()
                await stopped(server)
                assert len(reasons(server)) > time
                disk.recover()
                server.start()
                await server.ready()
            await asyncio.sleep(0.3)
            clients.stopping = True
        await check(server, clients.books)
        assert server.stop() == 0, server.log.read_text()
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


async def stopped(server: Server) -> None:
    """Wait until the server has ended by itself, and not as if all were well."""
    assert server.process is not None
    code = await asyncio.to_thread(server.process.wait, STOP_S)
    assert code not in (0, None), server.log.read_text()[-2000:]


def reasons(server: Server) -> list[str]:
    """Give what the server said about its disk."""
    return re.findall(r"the log cannot be written: .*Input/output error.*", server.log.read_text())


def test_nothing_is_acknowledged_while_syncs_fail(tmp_path: Path) -> None:
    asyncio.run(ask_meanwhile(tmp_path))


async def ask_meanwhile(tmp_path: Path) -> None:
    disk = BadDisk(tmp_path)
    server = Server("crash_shop:app", tmp_path / "data", tmp_path / "server.log", disk.environment)
    server.start()
    try:
        await server.ready()
        async with httpx.AsyncClient(timeout=30) as http:
            disk.go_bad()
            statuses = await asyncio.gather(*[add(http, server, n) for n in range(CLIENTS)])
        assert 200 not in statuses, statuses
        await stopped(server)
        assert reasons(server)
        disk.recover()
        server.start()
        await server.ready()
        async with httpx.AsyncClient(timeout=30) as http:
            repeated = await asyncio.gather(*[add(http, server, n) for n in range(CLIENTS)])
            total = await http.post(f"{server.url}/Counter/c/total")
        assert repeated == [200] * CLIENTS
        assert total.json() == CLIENTS, "what was refused and then repeated is there once"
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()


async def add(http: httpx.AsyncClient, server: Server, number: int) -> int | None:
    """Add one to a counter; give the status of the answer, if there is one."""
    headers = {"idempotency-key": f"add-{number}"}
    try:
        reply = await http.post(f"{server.url}/Counter/c/add", json=1, headers=headers)
    except httpx.TransportError:
        return None
    return reply.status_code
