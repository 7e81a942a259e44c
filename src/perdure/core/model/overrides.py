"""What an operator sets for a service, over what its manifest says.

It holds for the revision it was set for: the next one brings its own.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import asdict, replace

from perdure.protocol.manifest import HandlerManifest, HandlerType, ServiceManifest


class Overrides(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Options in the place of a service's own; None leaves one as it is. Durations in ms."""

    public: bool | None = None
    idempotency_retention_ms: int | None = None
    journal_retention_ms: int | None = None
    workflow_completion_retention_ms: int | None = None
    inactivity_timeout_ms: int | None = None
    abort_timeout_ms: int | None = None

    def over(self, below: Overrides) -> Overrides:
        """Lay these options over others."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(below, **given)


def override(service: ServiceManifest, overrides: Overrides) -> ServiceManifest:
    """Give a service with an operator's options; what a handler sets itself still wins."""
    options: dict[str, object] = {
        "ingress_private": None if overrides.public is None else not overrides.public,
        "idempotency_retention": overrides.idempotency_retention_ms,
        "journal_retention": overrides.journal_retention_ms,
        "inactivity_timeout": overrides.inactivity_timeout_ms,
        "abort_timeout": overrides.abort_timeout_ms,
    }
    given = {name: value for name, value in options.items() if value is not None}
    retention_ms = overrides.workflow_completion_retention_ms
    if retention_ms is not None:
        given["handlers"] = tuple(_retaining(each, retention_ms) for each in service.handlers)
    return replace(service, **given)


def _retaining(handler: HandlerManifest, retention_ms: int) -> HandlerManifest:
    """Set how long the result of a workflow's run is kept, unless the handler does."""
    is_run = handler.ty is HandlerType.WORKFLOW
    if not is_run or handler.workflow_completion_retention is not None:
        return handler
    return replace(handler, workflow_completion_retention=retention_ms)
