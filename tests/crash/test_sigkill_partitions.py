"""A real server of two partitions, of whose processes any one or all are killed; then the books."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest
from crash_server import Server, children_of
from test_sigkill import kill_and_check

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
#: How long the other processes may live when one has died, in seconds.
LAST_WORDS_S = 10.0


def server_in(folder: Path, partitions: int) -> Server:
    return Server("crash_shop:app", folder / "data", folder / "server.log", partitions=partitions)


@pytest.mark.parametrize(("partitions", "kills"), [(2, 10), (3, 4)])
def test_the_books_are_right_whichever_process_was_killed(
    tmp_path: Path, partitions: int, kills: int
) -> None:
    asyncio.run(kill_and_check(server_in(tmp_path, partitions), kills, kill_some))


async def kill_some(server: Server, chance: random.Random) -> None:
    await chance.choice([kill_all, kill_first, kill_companion])(server, chance)


async def kill_all(server: Server, chance: random.Random) -> None:
    """Kill all processes, one right after the other."""
    assert server.process is not None
    everyone = [server.process.pid, *server.companions()]
    chance.shuffle(everyone)
    for pid in everyone:
        os.kill(pid, signal.SIGKILL)
    await ended(server)


async def kill_first(server: Server, _chance: random.Random) -> None:
    """Kill the first process alone: the others end by themselves."""
    companions = server.companions()
    server.kill()
    async with asyncio.timeout(LAST_WORDS_S):
        while any(map(alive, companions)):  # noqa: ASYNC110 - they are not children of ours
            await asyncio.sleep(0.01)


async def kill_companion(server: Server, chance: random.Random) -> None:
    """Kill another process: the first says so, and ends, and so do all others."""
    companions = server.companions()
    assert len(companions) == server.partitions - 1
    said = len(server.log.read_text())
    victim = chance.randrange(len(companions))
    os.kill(companions[victim], signal.SIGKILL)
    code = await ended(server)
    assert code > 0, f"it ended with {code}"
    assert f"partition {victim + 1} was ended by signal 9" in server.log.read_text()[said:]
    assert not any(map(alive, companions))


async def ended(server: Server) -> int:
    assert server.process is not None
    return await asyncio.to_thread(server.process.wait, LAST_WORDS_S)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_graceful_stop_ends_all_processes(tmp_path: Path) -> None:
    asyncio.run(stop(server_in(tmp_path, 3)))


async def stop(server: Server) -> None:
    server.start()
    await server.ready()
    companions = server.companions()
    assert len(companions) == 2
    assert not children_of(companions[0])
    assert server.stop() == 0, server.log.read_text()
    assert not any(map(alive, companions))
