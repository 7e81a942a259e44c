"""The systems compared, by name."""

from __future__ import annotations

import os
import sys
from typing import Final

from typing_extensions import override

from benchmarks import peers
from benchmarks.remote import REMOTE, Restate
from benchmarks.system import OURS, System


class Perdure(System):
    """Server and handlers in one process."""

    name = "perdure"

    @classmethod
    @override
    def install(cls) -> None:
        """Do nothing: it is the project itself."""

    @override
    def launch(self) -> None:
        self.start(
            *(sys.executable, "-m", "perdure", "dev", "benchmarks.apps.durable:app"),
            *("--no-reload", "--data-dir", self.folder / "data"),
            *("--ingress-port", str(self.port), "--admin-port", str(self.admin_port)),
            *("--partitions", str(self.partitions())),
            env={"BENCHMARK_SDK": "perdure", **OURS},
        )

    def partitions(self) -> int:
        """Say how many partitions, each a process, the server has."""
        return 1


class PerdurePartitions(Perdure):
    """The same with a partition, which is a process, for each core that there is for it."""

    name = "perdure-partitions"

    @override
    def partitions(self) -> int:
        return len(os.sched_getaffinity(0))


class Dbos(System):
    """DBOS as a library in an application behind uvicorn, with SQLite in its default settings."""

    name = "dbos"

    @classmethod
    @override
    def install(cls) -> None:
        """Install the library and its web server."""
        peers.dbos_python()

    @override
    def launch(self) -> None:
        self.start(
            *(peers.dbos_python(), "-m", "uvicorn", "benchmarks.apps.dbos_steps:app"),
            *("--port", str(self.port), "--no-access-log", "--log-level", "warning"),
            env={"BENCHMARK_FOLDER": str(self.folder)},
        )


#: What is compared unless something else is asked for.
EVERYTHING: Final[dict[str, type[System]]] = {
    system.name: system for system in (Perdure, PerdurePartitions, Restate, Dbos)
}
SYSTEMS: Final = EVERYTHING | {system.name: system for system in REMOTE}
