"""A disk whose syncs fail when told, as a server's process sees it: below it, not within it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().with_name("failing_sync.c")


class BadDisk:
    """Lets the syncs of a process fail, or not; needs a C compiler and a loader like Linux's.

    Args:
        folder: for what belongs to it.
    """

    def __init__(self, folder: Path) -> None:
        self._library = folder / "failing_sync.so"
        self._trigger = folder / "syncs fail"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", self._library, SOURCE, "-ldl"]
        subprocess.run(command, check=True)

    @staticmethod
    def possible() -> bool:
        """Tell whether this machine can have one."""
        return shutil.which("cc") is not None and Path("/proc/self/maps").exists()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be exposed to it."""
        return {"LD_PRELOAD": str(self._library), "FAILING_SYNC": str(self._trigger)}

    def go_bad(self) -> None:
        """Let syncs fail from now on."""
        self._trigger.touch()

    def recover(self) -> None:
        """Let syncs succeed again."""
        self._trigger.unlink(missing_ok=True)
