"""What a test gets to talk to."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.sdk.client import RestateClient


@dataclass(frozen=True)
class HarnessEnvironment:
    """A server under test, and a client for it."""

    ingress_url: str
    """Where requests go."""
    admin_api_url: str
    """Where operators look."""
    client: RestateClient
    """Calls handlers; usable until the harness is left."""
