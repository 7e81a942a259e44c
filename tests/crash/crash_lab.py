"""The crash laboratory: a real server under load, troubled in every way that a machine allows.

``python crash_lab.py --minutes 10`` kills, freezes, stops and starves a server again and again, and
checks the books of its clients after each round.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from bad_disk import BadDisk
from crash_server import Server
from test_sigkill import CLIENTS, Clients, check
from test_sigkill_partitions import kill_first, kill_some

ROUND_S = 30.0
#: Size of the small disk, in MiB: room for the log's first segment and the store, and not for much.
SMALL_DISK_MIB = 256


class Laboratory:
    """One server, its clients, and what is done to them."""

    def __init__(self, folder: Path, *, small_disk: bool, seed: int, partitions: int) -> None:
        self.chance = random.Random(seed)
        self.disk = folder
        self.bad_disk = BadDisk(folder.parent) if BadDisk.possible() else None
        environment = self.bad_disk.environment if self.bad_disk else {}
        log = folder.parent / "server.log"
        self.server = Server("crash_shop:app", folder / "data", log, environment, partitions)
        self.clients = Clients(self.server, self.chance)
        self.done: Counter[str] = Counter()
        self._troubles: dict[str, Callable[[], Awaitable[None]]] = {
            "killed": self.kill,
            "frozen": self.freeze,
            "stopped": self.stop,
        }
        if small_disk:
            self._troubles["disk full"] = self.fill_disk
        if self.bad_disk is not None:
            self._troubles["syncs failed"] = self.fail_syncs

    async def run(self, minutes: float) -> None:
        """Do rounds of trouble, each followed by a look into the books."""
        deadline = time.monotonic() + minutes * 60
        await self.start()
        while time.monotonic() < deadline:
            await self.round(min(ROUND_S, deadline - time.monotonic()))
            say(f"books are right after {dict(self.done)}, {self.answered()} answers")

    async def round(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self.clients.stopping = False
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self.clients.work())
            while time.monotonic() < until:
                await asyncio.sleep(self.chance.uniform(0.05, 1.0))
                name = self.chance.choice(list(self._troubles))
                await self._troubles[name]()
                self.done[name] += 1
            self.clients.stopping = True
        await check(self.server, self.clients.books)

    def answered(self) -> int:
        """Count what was acknowledged to clients."""
        books = self.clients.books
        kinds = (books.steps, books.letters, books.fans, books.exchanges, books.signups)
        return books.added.total() + books.naps.total() + sum(map(len, kinds))

    async def start(self) -> None:
        self.server.start()
        await self.server.ready()

    async def kill(self) -> None:
        """SIGKILL, at any instant."""
        if self.server.partitions == 1:
            self.server.kill()
        else:
            await kill_some(self.server, self.chance)
        await self.start()

    async def freeze(self) -> None:
        """SIGSTOP: a process does nothing for a while, and goes on as if nothing had been."""
        pid = self.chance.choice([self.process().pid, *self.server.companions()])
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(0.05, 2.0))
        os.kill(pid, signal.SIGCONT)

    async def stop(self) -> None:
        """SIGTERM: all that is under way ends or suspends."""
        process = self.process()
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, 60)
        assert code == 0, (
            f"a graceful stop ended with {code}: {self.server.log.read_text()[-2000:]}"
        )
        await self.start()

    async def fill_disk(self) -> None:
        """Leave no room for the log; once there is room again, start again."""
        filler = self.disk / "filler"
        fill(filler)
        process = self.process()
        # It may have had room enough in what was reserved: then it has not noticed, and goes on.
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, 40)
        filler.unlink()
        if process.poll() is not None:
            self.done["gave up"] += 1
            await self.start()

    async def fail_syncs(self) -> None:
        """Let every sync fail, until the server has said why it stops, and stopped."""
        assert self.bad_disk is not None
        self.bad_disk.go_bad()
        code = await asyncio.to_thread(self.process().wait, 60)
        text = self.server.log.read_text()[-4000:]
        assert code != 0, f"a server whose syncs fail ended as if all were well: {text}"
        assert "the log cannot be written" in text, text
        self.bad_disk.recover()
        await self.start()

    def process(self) -> subprocess.Popen[bytes]:
        assert self.server.process is not None
        return self.server.process


def fill(path: Path) -> None:
    """Write until nothing more fits on the disk."""
    block = bytes(1 << 16)
    with path.open("wb", buffering=0) as file:
        while block:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]


@contextlib.contextmanager
def laboratory_disk() -> Iterator[tuple[Path, bool]]:
    """Give a folder, on a small disk where mounting one is allowed; and whether it is."""
    with tempfile.TemporaryDirectory(prefix="crash-lab-") as name:
        folder = Path(name) / "disk"
        folder.mkdir()
        options = f"size={SMALL_DISK_MIB}m"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        mounted = os.geteuid() == 0 and subprocess.run(command, check=False).returncode == 0
        try:
            yield folder, mounted
        finally:
            if mounted:
                subprocess.run(["umount", str(folder)], check=True)


async def work(minutes: float, seed: int, partitions: int) -> None:
    with laboratory_disk() as (folder, small_disk):
        laboratory = Laboratory(folder, small_disk=small_disk, seed=seed, partitions=partitions)
        filled = "can" if small_disk else "cannot"
        failing = "can" if laboratory.bad_disk else "cannot"
        say(f"seed {seed}; the disk {filled} be filled, its syncs {failing} fail")
        try:
            await laboratory.run(minutes)
        finally:
            process = laboratory.server.process
            if process is not None and process.poll() is None:
                await kill_first(laboratory.server, laboratory.chance)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--partitions", type=int, default=1)
    options = parser.parse_args()
    asyncio.run(work(options.minutes, options.seed, options.partitions))


if __name__ == "__main__":
    main()
