"""A partition over memory that leads, and writes when the test says so."""

from __future__ import annotations

from typing import get_args

from engine_world import A, settled
from virtual_time import VirtualClock

from perdure.core.machine.actions import Action
from perdure.core.model.records import Ended, Progress
from perdure.core.model.shares import ALONE
from perdure.engine.partition import Partition
from perdure.protocol.messages import Output, Value
from perdure.storage.memory_log import MemoryLog, MemoryRecords
from perdure.storage.memory_store import MemoryStore


class Led:
    """A partition whose disk writes when the test says so."""

    def __init__(self, records=None, store=None, share=ALONE) -> None:
        self.records = MemoryRecords() if records is None else records
        self.store = MemoryStore() if store is None else store
        self.log = MemoryLog(records=self.records)
        self.partition = Partition(self.log, self.store, VirtualClock(), share)
        #: What came out, in order: replies by name, and actions.
        self.came: list[object] = []
        self.performers = dict.fromkeys(get_args(Action), self.came.append)
        self.failures: list[BaseException] = []

    async def lead(self, behind=lambda: False) -> None:
        self.partition.recover()
        self.partition.lead(self.performers, self.failures.append, lambda: None, behind)
        await self.write()
        assert self.came == []

    async def write(self) -> None:
        """Write what has gathered, until nothing is left."""
        await settled()
        while self.log.waiting:
            self.log.commit()
            await settled()

    def propose(self, body, name="reply") -> None:
        self.partition.propose(body, lambda reply: self.came.append((name, reply)))


def ended(invocation_id=A, attempt=1):
    return Progress(invocation_id, attempt, (Output(Value(b"out")),), ending=Ended())
