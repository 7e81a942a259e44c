"""A moment: everything that queries see, as of one instant, while the engine goes on."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from perdure.core.model.deployments import Registry
from perdure.core.model.rules import RuleBook
from perdure.engine.ports import StoreView
from perdure.protocol.ids import DeploymentId, InvocationId


class LiveAttempt(Struct, frozen=True, gc=False):
    """An attempt that was open at the moment."""

    #: Milliseconds since 1970.
    started_at: int
    deployment_id: DeploymentId
    #: What the SDK there calls itself.
    sdk_version: str | None


class Moment(Struct, frozen=True):
    """Tables, registry, open attempts and rules, of the same instant; its user closes the view."""

    #: Milliseconds since 1970.
    now_ms: int
    view: StoreView
    registry: Registry
    attempts: Mapping[InvocationId, LiveAttempt]
    rule_book: RuleBook
