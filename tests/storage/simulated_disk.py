"""A disk in memory that forgets what was not synced, tears writes, and fails when told.

It has two faces: what a process sees (`seen`), and what is safe (`safe`). A write changes what is
seen and waits; a sync makes what waits safe. A crash keeps what is safe and any part of what waits.
A sync that fails forgets what waits but goes on showing it, as operating systems do.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from random import Random

SECTOR = 16


class PowerCut(BaseException):
    """The machine is gone; nothing may catch this."""


class Inode:
    def __init__(self, content: bytes = b"") -> None:
        self.safe = bytearray(content)
        self.seen = bytearray(content)
        self.waiting: list[tuple[str, int, bytes]] = []


def change(content: bytearray, step: tuple[str, int, bytes]) -> None:
    verb, offset, data = step
    match verb:
        case "write":
            if offset > len(content):
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(data)] = data
        case "truncate":
            del content[offset:]
        case "reserve":
            content.extend(bytes(max(0, offset - len(content))))


class SimulatedDisk:
    """One folder of a simulated disk; it is the protocol Files itself."""

    def __init__(self, names: dict[str, Inode] | None = None) -> None:
        self.seen_names = dict(names or {})
        self.safe_names = dict(names or {})
        self.waiting_names: list[tuple[str | None, str | None, Inode]] = []
        self.steps = 0
        #: The step before which the power is cut.
        self.cut_at: int | None = None
        #: Errors by the step that fails with them.
        self.errors: dict[int, int] = {}
        #: Bytes that fit on the disk.
        self.space: int | None = None
        #: Syncs that were begun in the background; None if this disk has none.
        self.background: list[tuple[SimulatedFile, Callable[[OSError | None], None]]] | None = None

    def step(self) -> None:
        self.steps += 1
        if self.cut_at is not None and self.steps >= self.cut_at:
            raise PowerCut
        if code := self.errors.get(self.steps):
            raise OSError(code, os.strerror(code))

    def check_space(self, more: int) -> None:
        if self.space is None:
            return
        used = sum(len(inode.seen) for inode in self.seen_names.values())
        if used + more > self.space:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def finish_syncs(self) -> None:
        """End what was begun in the background."""
        begun, self.background = self.background or [], []
        for file, done in begun:
            try:
                file.sync()
            except OSError as error:
                done(error)
            else:
                done(None)

    def after_power_cut(self, random: Random) -> SimulatedDisk:
        """Give the disk as the next process finds it."""
        names = dict(self.safe_names)
        for old, new, inode in self.waiting_names:
            if random.random() < 0.5:
                continue
            names.pop(old, None)
            if new is not None:
                names[new] = inode
        return SimulatedDisk({name: torn(inode, random) for name, inode in names.items()})

    def after_kill(self) -> SimulatedDisk:
        """Give the disk as it is when only the process died."""
        disk = SimulatedDisk(self.seen_names)
        disk.safe_names = dict(self.safe_names)
        disk.waiting_names = list(self.waiting_names)
        return disk

    def names(self) -> list[str]:
        return list(self.seen_names)

    def open(self, name: str, *, create: bool = False) -> SimulatedFile:
        if create:
            self._rename(None, name, Inode())
        if name not in self.seen_names:
            raise FileNotFoundError(name)
        return SimulatedFile(self, self.seen_names[name])

    def rename(self, old: str, new: str) -> None:
        self._rename(old, new, self.seen_names[old])

    def delete(self, name: str) -> None:
        if name not in self.seen_names:
            raise FileNotFoundError(name)
        self._rename(name, None, self.seen_names[name])

    def sync(self) -> None:
        self.step()
        self.safe_names = dict(self.seen_names)
        self.waiting_names = []

    def _rename(self, old: str | None, new: str | None, inode: Inode) -> None:
        self.step()
        self.waiting_names.append((old, new, inode))
        if old is not None:
            del self.seen_names[old]
        if new is not None:
            self.seen_names[new] = inode


def torn(inode: Inode, random: Random) -> Inode:
    """Keep any sectors, or any first bytes, of each change that waited."""
    content = bytearray(inode.safe)
    style = random.choice(["nothing", "everything", "prefix", "sectors"])
    for step in inode.waiting:
        verb, offset, data = step
        if style == "everything" or (verb != "write" and random.random() < 0.5):
            change(content, step)
        elif style == "prefix" and verb == "write":
            change(content, (verb, offset, data[: random.randrange(len(data) + 1)]))
        elif style == "sectors" and verb == "write":
            for start in range(0, len(data), SECTOR):
                if random.random() < 0.5:
                    change(content, (verb, offset + start, data[start : start + SECTOR]))
    return Inode(bytes(content))


class SimulatedFile:
    def __init__(self, disk: SimulatedDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode

    def size(self) -> int:
        return len(self._inode.seen)

    def read(self, offset: int, count: int) -> bytes:
        return bytes(self._inode.seen[offset : offset + count])

    def write(self, offset: int, data: bytes | bytearray) -> None:
        self._disk.check_space(max(0, offset + len(data) - self.size()))
        self._change(("write", offset, bytes(data)))

    def reserve(self, size: int) -> None:
        self._disk.check_space(max(0, size - self.size()))
        self._change(("reserve", size, b""))

    def truncate(self, size: int) -> None:
        self._change(("truncate", size, b""))

    def sync(self) -> None:
        waiting, self._inode.waiting = self._inode.waiting, []
        try:
            self._disk.step()
        except PowerCut:
            self._inode.waiting = waiting
            raise
        for step in waiting:
            change(self._inode.safe, step)

    def begin_sync(self, done: Callable[[OSError | None], None]) -> bool:
        if self._disk.background is None:
            return False
        self._disk.background.append((self, done))
        return True

    def close(self) -> None:
        pass

    def _change(self, step: tuple[str, int, bytes]) -> None:
        # The power may be cut in the middle of a write: it waits already, and may be torn.
        self._inode.waiting.append(step)
        self._disk.step()
        change(self._inode.seen, step)
