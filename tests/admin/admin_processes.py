"""A server of one partition or several, with the services to try the admin API on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from admin_server import AdminServer, running
from dev_process import serving

PROGRAM = f"""
    import sys
    sys.path.append({str(Path(__file__).parent)!r})
    from admin_server import services
    app = services()
"""


def running_with(partitions: int, folder: Path) -> AbstractContextManager[AdminServer]:
    """Run a server for as long as the context lasts: of one partition in this process, of more in
    as many, with their data in a folder.
    """
    return running() if partitions == 1 else _running_in(folder, partitions)


@contextmanager
def _running_in(folder: Path, partitions: int) -> Iterator[AdminServer]:
    with contextmanager(serving)(folder) as dev:
        dev.write(PROGRAM)
        dev.start("--no-reload", "--partitions", str(partitions))
        server = AdminServer(dev.admin_url, dev.url)
        with server.client:
            yield server
        assert dev.stop() == 0
