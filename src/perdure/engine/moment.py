"""A moment: all that queries see of a partition, as of one instant, while its engine goes on."""

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


class Order(Struct, frozen=True, array_like=True):
    """Of what a query reads, only so many rows can be shown: the first by one column."""

    column: str
    descending: bool
    nulls_first: bool
    count: int


class Search(Struct, frozen=True, array_like=True):
    """What a query reads of a table that another partition has a part of."""

    table: str
    #: Names of the columns that it shows.
    columns: tuple[str, ...]
    #: What a row must meet, as :mod:`perdure.query.filters` writes it; None if nothing.
    filter: bytes | None
    order: Order | None
