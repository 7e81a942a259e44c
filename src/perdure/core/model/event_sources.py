"""Where events come from: Kafka clusters, and subscriptions of handlers to their topics.

The value is immutable; a change is a new value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NewType

from msgspec import Struct
from msgspec.structs import replace

from perdure.core.model.deployments import Registry
from perdure.protocol import base62
from perdure.protocol.ids import IdentifierError

#: Text of a subscription's id (``sub_…``).
SubscriptionId = NewType("SubscriptionId", str)

#: Either of these tells where a cluster is.
BROKER_OPTIONS: Final = ("bootstrap.servers", "metadata.broker.list")

_PREFIX: Final = "sub_1"
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_CLUSTER_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_TOPIC: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class SourceError(Exception):
    """A cluster or subscription cannot be as asked; nothing was changed."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        #: Documented code, such as META0009.
        self.code = code


class ClusterExistsError(SourceError):
    """There is a cluster of this name already."""


class ClusterInUseError(SourceError):
    """A subscription needs the cluster."""


class KafkaCluster(Struct, frozen=True, kw_only=True):
    """How a Kafka cluster is reached: options of its client library."""

    name: str
    properties: dict[str, str]
    #: Milliseconds since 1970.
    created_at: int


class Subscription(Struct, frozen=True, kw_only=True):
    """Events of a topic, each of which invokes a handler."""

    id: SubscriptionId
    #: ``kafka://cluster/topic``.
    source: str
    #: ``service://Service/handler``.
    sink: str
    options: dict[str, str]


class EventSources(Struct, frozen=True, kw_only=True):
    """All clusters and subscriptions."""

    clusters: Mapping[str, KafkaCluster] = {}
    subscriptions: Mapping[SubscriptionId, Subscription] = {}

    def of_cluster(self, name: str) -> list[Subscription]:
        """Give the subscriptions to a cluster's topics."""
        return [each for each in self.subscriptions.values() if cluster_of(each.source) == name]


def subscription_text(ulid_bytes: bytes) -> SubscriptionId:
    """Write a subscription's id."""
    return SubscriptionId(_PREFIX + base62.encode_128(ulid_bytes))


def parse_subscription_id(text: str) -> SubscriptionId:
    """Check the form of a subscription's id.

    Raises:
        IdentifierError: the text has another form.
    """
    if not text.startswith(_PREFIX) or len(text) != len(_PREFIX) + base62.WIDTH_128:
        raise IdentifierError("bad format")
    try:
        base62.decode(text[len(_PREFIX) :], 16)
    except ValueError as error:
        raise IdentifierError("bad format") from error
    return SubscriptionId(text)


def event_sources(
    clusters: Iterable[KafkaCluster], subscriptions: Iterable[Subscription]
) -> EventSources:
    """Put together what was stored."""
    return EventSources(
        clusters={each.name: each for each in clusters},
        subscriptions={each.id: each for each in subscriptions},
    )


def with_cluster(sources: EventSources, cluster: KafkaCluster) -> EventSources:
    """Add a cluster.

    Raises:
        SourceError: its name is taken or none, or nothing says where it is.
    """
    check_cluster_name(cluster.name)
    if cluster.name in sources.clusters:
        raise ClusterExistsError(
            f"kafka cluster '{cluster.name}' already exists in schema registry"
        )
    return _with_cluster(sources, cluster)


def with_properties(sources: EventSources, name: str, properties: dict[str, str]) -> EventSources:
    """Reach a cluster, which there is, in another way.

    Raises:
        SourceError: nothing says where it is.
    """
    return _with_cluster(sources, replace(sources.clusters[name], properties=properties))


def without_cluster(sources: EventSources, name: str, *, force: bool) -> EventSources:
    """Forget a cluster, which there is; by force also if a subscription needs it.

    Raises:
        ClusterInUseError: names the first such subscription.
    """
    needing = sources.of_cluster(name)
    if needing and not force:
        raise ClusterInUseError(
            f"Removing the kafka cluster '{name}' leads to subscription '{needing[0].id}' being "
            "orphan. Remove the subscription first, or use the 'force' flag."
        )
    kept = {key: each for key, each in sources.clusters.items() if key != name}
    return replace(sources, clusters=kept)


def with_subscription(
    sources: EventSources, registry: Registry, subscription: Subscription
) -> EventSources:
    """Add a subscription.

    Raises:
        SourceError: its source or sink is not there, or not written as it should be.
    """
    check_source(sources, subscription.source)
    check_sink(registry, subscription.sink)
    return replace(sources, subscriptions={**sources.subscriptions, subscription.id: subscription})


def without_subscription(sources: EventSources, subscription_id: SubscriptionId) -> EventSources:
    """Forget a subscription."""
    kept = {key: each for key, each in sources.subscriptions.items() if key != subscription_id}
    return replace(sources, subscriptions=kept)


def cluster_of(source: str) -> str:
    """Give the name of the cluster in a source."""
    return source.partition("://")[2].partition("/")[0]


def check_cluster_name(name: str) -> None:
    """Refuse a name that no host could have.

    Raises:
        SourceError: what to write instead.
    """
    if not _CLUSTER_NAME.fullmatch(name):
        raise SourceError(
            f"kafka cluster name {name!r} is not the name of a host; use letters, digits, "
            "'-' and '.'"
        )


def check_brokers(properties: Mapping[str, str]) -> None:
    """Refuse properties of a cluster that do not say where it is.

    Raises:
        SourceError: which do.
    """
    if not any(properties.get(option) for option in BROKER_OPTIONS):
        either = " or ".join(f"'{option}'" for option in BROKER_OPTIONS)
        raise SourceError(f"kafka cluster properties must contain either {either}")


def check_source(sources: EventSources, uri: str) -> None:
    """Refuse a source that is no topic of a known cluster.

    Raises:
        SourceError: what is wrong, and what to write instead.
    """
    scheme, _, rest = uri.partition("://")
    name, _, topic = rest.partition("/")
    if scheme != "kafka" or not _TOPIC.fullmatch(topic):
        raise _invalid("source", uri, "write kafka://<cluster>/<topic>")
    if name not in sources.clusters:
        available = ", ".join(sorted(sources.clusters))
        raise SourceError(f"Kafka cluster '{name}' not found. Available clusters: [{available}]")


def check_sink(registry: Registry, uri: str) -> None:
    """Refuse a sink that is no handler.

    Raises:
        SourceError: what is wrong, and what to write instead.
    """
    scheme, _, rest = uri.partition("://")
    if scheme != "service":
        raise _invalid(
            "sink", uri, "must have a scheme segment, with supported schemes: [service]."
        )
    service, _, handler = rest.partition("/")
    if registry.handler(service, handler) is None:
        raise _invalid("sink", uri, "cannot find service/handler specified in the sink URI.")


def _with_cluster(sources: EventSources, cluster: KafkaCluster) -> EventSources:
    check_brokers(cluster.properties)
    return replace(sources, clusters={**sources.clusters, cluster.name: cluster})


def _invalid(what: str, uri: str, reason: str) -> SourceError:
    return SourceError(f"invalid {what} URI '{uri}': {reason}", "META0009")
