"""Versions of the service protocol and of the discovery manifest (service protocol, section 1)."""

from __future__ import annotations

from functools import cache
from typing import Final

#: Versions that server and SDK speak.
PROTOCOL_VERSION_MIN: Final = 5
PROTOCOL_VERSION_MAX: Final = 7

#: First version with failure metadata and a random seed in the Start message.
VERSION_FAILURE_METADATA: Final = 6
#: First version with future trees, run acknowledgements, scopes and error behaviours.
VERSION_FUTURE_TREES: Final = 7

MANIFEST_VERSIONS: Final = (1, 2, 3, 4)


@cache
def negotiate(deployment_min: int, deployment_max: int) -> int | None:
    """Give the version to use with a deployment for new work, or None if there is none."""
    version = min(deployment_max, PROTOCOL_VERSION_MAX)
    return version if version >= max(deployment_min, PROTOCOL_VERSION_MIN) else None
