"""What the simulator found, as small as it can be said."""

from __future__ import annotations

import pytest
from engine_world import A, B, EngineWorld, invoke, settled
from virtual_time import run_virtually

from perdure.engine import flushing
from perdure.engine.ports import StorageError
from perdure.storage.memory_store import MemoryStore


class FailingStore(MemoryStore):
    fails = False

    def write(self, changes, lsn):
        if self.fails:
            raise StorageError("no space left")
        super().write(changes, lsn)


class FailingWorld(EngineWorld):
    def __init__(self, **options):
        super().__init__(**options)
        self.store = FailingStore()


def test_nothing_starts_on_tables_whose_store_failed():
    """The write that failed took its rows along, and whoever waited for a slot went on without."""

    async def scenario():
        here = FailingWorld(slots=1)
        engine = await here.start()
        await engine.requests.submit(invoke(A))
        await engine.requests.submit(invoke(B))
        await settled()
        assert len(here.host.sessions) == 1

        here.store.fails = True
        with pytest.raises(StorageError, match="no space left"):
            engine.partition.flush()
        await settled()
        assert [session.aborted for session in here.host.sessions] == [True]

    run_virtually(scenario())


def test_who_cannot_write_right_after_the_announcement_does_not_start(monkeypatch):
    """The row of the announcement was gone with the failed write, and the start went on."""
    monkeypatch.setattr(flushing, "FLUSH_BYTES", 1)

    async def scenario():
        here = FailingWorld()
        here.store.fails = True
        with pytest.raises(StorageError, match="no space left"):
            await here.start()

    run_virtually(scenario())
