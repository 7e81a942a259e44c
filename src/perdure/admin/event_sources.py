"""Endpoints for Kafka clusters, and for subscriptions to their topics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.bodies import Check, read_body
from perdure.admin.errors import AdminError, bad_field, bad_parameter, missing
from perdure.admin.responses import json_response
from perdure.admin.secrets import redact, restore
from perdure.core.model.event_sources import (
    ClusterExistsError,
    ClusterInUseError,
    KafkaCluster,
    SourceError,
    Subscription,
    SubscriptionId,
    check_brokers,
    check_cluster_name,
    check_sink,
    check_source,
    parse_subscription_id,
)
from perdure.core.model.instants import utc_text
from perdure.engine.configurator import Configurator
from perdure.protocol.ids import IdentifierError

T = TypeVar("T")


class NewCluster(Struct):
    """A Kafka cluster: options of librdkafka, of which one tells where the brokers are."""

    name: str
    properties: dict[str, str]


class ClusterChange(Struct):
    """All options of a Kafka cluster; secret ones may be sent back as they were shown."""

    properties: dict[str, str]


class NewSubscription(Struct):
    """Events of a topic (``kafka://cluster/topic``) for a handler (``service://Name/handler``)."""

    source: str
    sink: str
    options: dict[str, str] | None = None


class ClusterDocument(Struct):
    """A Kafka cluster, without its secrets."""

    name: str
    properties: dict[str, str]
    created_at: str


class SubscriptionDocument(Struct):
    """A subscription, without its secrets."""

    id: str
    source: str
    sink: str
    options: dict[str, str]


class ClusterDetailDocument(ClusterDocument):
    """A Kafka cluster and the subscriptions to it."""

    subscriptions: list[SubscriptionDocument]


class ClusterList(Struct):
    """All Kafka clusters, by name."""

    clusters: list[ClusterDocument]


class SubscriptionList(Struct):
    """Subscriptions, oldest first."""

    subscriptions: list[SubscriptionDocument]


class Clusters:
    """Shows and changes Kafka clusters."""

    def __init__(self, configurator: Configurator) -> None:
        self._configurator = configurator

    async def list(self, _request: Request) -> Response:
        """List clusters."""
        clusters = self._configurator.sources.clusters
        return json_response(
            ClusterList([_show_cluster(cluster) for _, cluster in sorted(clusters.items())])
        )

    async def create(self, request: Request) -> Response:
        """Add a cluster."""
        checks = {
            "name": _checking("name", check_cluster_name),
            "properties": _checking("properties", check_brokers),
        }
        body = await read_body(request, NewCluster, checks=checks)
        try:
            cluster = self._configurator.add_cluster(body.name, body.properties)
        except SourceError as error:
            raise _refused(error) from error
        location = {"location": f"kafka-clusters/{cluster.name}"}
        return json_response(_show_cluster(cluster), HTTPStatus.CREATED, location)

    async def show(self, request: Request) -> Response:
        """Show a cluster with its subscriptions."""
        name = request.path_params["cluster"]
        sources = self._configurator.sources
        cluster = sources.clusters.get(name)
        if cluster is None:
            raise _no_cluster(name)
        shown = _show_cluster(cluster)
        wanted = _flag(request, "include_subscriptions")
        subscriptions = [_show(each) for each in sources.of_cluster(name)] if wanted else []
        document = ClusterDetailDocument(
            shown.name, shown.properties, shown.created_at, subscriptions
        )
        return json_response(document)

    async def change(self, request: Request) -> Response:
        """Put other options in place of a cluster's."""
        name = request.path_params["cluster"]
        body = await read_body(request, ClusterChange)
        cluster = self._configurator.sources.clusters.get(name)
        if cluster is None:
            raise _no_cluster(name)
        properties = restore(body.properties, cluster.properties)
        try:
            changed = self._configurator.change_cluster(name, properties)
        except SourceError as error:
            raise _refused(error) from error
        return json_response(_show_cluster(changed))

    async def remove(self, request: Request) -> Response:
        """Forget a cluster."""
        name = request.path_params["cluster"]
        try:
            self._configurator.remove_cluster(name, force=_flag(request, "force"))
        except LookupError as error:
            raise _no_cluster(name) from error
        except SourceError as error:
            raise _refused(error) from error
        return Response(status_code=HTTPStatus.ACCEPTED)


class Subscriptions:
    """Shows and changes subscriptions."""

    def __init__(self, configurator: Configurator) -> None:
        self._configurator = configurator

    async def list(self, request: Request) -> Response:
        """List subscriptions, perhaps only those with a source or sink."""
        source, sink = request.query_params.get("source"), request.query_params.get("sink")
        found = [
            _show(each)
            for _, each in sorted(self._configurator.sources.subscriptions.items())
            if source in (None, each.source) and sink in (None, each.sink)
        ]
        return json_response(SubscriptionList(found))

    async def create(self, request: Request) -> Response:
        """Add a subscription."""
        configurator = self._configurator
        checks = {
            "source": _checking("source", partial(check_source, configurator.sources)),
            "sink": _checking("sink", partial(check_sink, configurator.registry)),
        }
        body = await read_body(request, NewSubscription, checks=checks)
        try:
            subscription = configurator.subscribe(body.source, body.sink, body.options or {})
        except SourceError as error:
            raise _refused(error) from error
        location = {"location": f"subscriptions/{subscription.id}"}
        return json_response(_show(subscription), HTTPStatus.CREATED, location)

    async def show(self, request: Request) -> Response:
        """Show a subscription."""
        subscription_id = _subscription_id(request)
        subscription = self._configurator.sources.subscriptions.get(subscription_id)
        if subscription is None:
            raise missing(f"subscription '{subscription_id}'")
        return json_response(_show(subscription))

    async def remove(self, request: Request) -> Response:
        """Forget a subscription."""
        subscription_id = _subscription_id(request)
        try:
            self._configurator.unsubscribe(subscription_id)
        except LookupError as error:
            raise AdminError(
                HTTPStatus.NOT_FOUND,
                f"not found in the schema registry: subscription with id '{subscription_id}'",
            ) from error
        return Response(status_code=HTTPStatus.ACCEPTED)


def _show_cluster(cluster: KafkaCluster) -> ClusterDocument:
    return ClusterDocument(cluster.name, redact(cluster.properties), utc_text(cluster.created_at))


def _show(subscription: Subscription) -> SubscriptionDocument:
    options = redact(subscription.options)
    return SubscriptionDocument(subscription.id, subscription.source, subscription.sink, options)


def _subscription_id(request: Request) -> SubscriptionId:
    try:
        return parse_subscription_id(request.path_params["subscription"])
    except IdentifierError as error:
        raise bad_field("subscription", error) from error


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise bad_parameter(name, "it is neither 'true' nor 'false'")
    return text == "true"


def _no_cluster(name: str) -> AdminError:
    return missing(f"Kafka cluster '{name}'")


def _checking(field: str, check: Callable[[T], None]) -> Check:
    """Blame a field for what a check refuses."""

    def checking(value: T) -> None:
        try:
            check(value)
        except SourceError as error:
            raise _refused(error, field) from error

    return checking


def _refused(error: SourceError, field: str | None = None) -> AdminError:
    conflict = isinstance(error, ClusterExistsError | ClusterInUseError)
    status = HTTPStatus.CONFLICT if conflict else HTTPStatus.BAD_REQUEST
    fields = () if field is None else [(field, str(error))]
    return AdminError(status, str(error), error.code, fields)
