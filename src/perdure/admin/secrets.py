"""Values that are not shown: those of headers and options whose names tell that they are secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

REDACTED: Final = "***"

_SECRET: Final = re.compile(
    r"auth|cookie|credential|jaas|key|passphrase|passw|private|secret|session|signature|token",
    re.IGNORECASE,
)


def redact(values: Mapping[str, str]) -> dict[str, str]:
    """Show values by their names, in order, but no secret one."""
    return {
        name: REDACTED if _SECRET.search(name) else value for name, value in sorted(values.items())
    }


def restore(values: Mapping[str, str], stored: Mapping[str, str]) -> dict[str, str]:
    """Put stored values in the place of those that come back as they were shown."""
    return {
        name: stored.get(name, value) if value == REDACTED else value
        for name, value in values.items()
    }
