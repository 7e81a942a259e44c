"""What operators set by hand: options of services, sources of events, and rules."""

from __future__ import annotations

from collections.abc import Sequence

from perdure.core.model.deployments import Registry
from perdure.core.model.event_sources import (
    EventSources,
    KafkaCluster,
    Subscription,
    SubscriptionId,
    subscription_text,
    with_cluster,
    with_properties,
    with_subscription,
    without_cluster,
    without_subscription,
)
from perdure.core.model.overrides import Overrides
from perdure.core.model.revisions import reconfigured
from perdure.core.model.rules import (
    Rule,
    RuleBook,
    RuleOrder,
    RuleRemoval,
    with_rules,
    without_rules,
)
from perdure.engine.ports import Clock
from perdure.engine.registry import RegistryKeeper
from perdure.protocol.ids import ulid


class Configurator:
    """Decides each change on what there is, and stores it before it counts.

    Every method raises StorageError if the change could not be made durable; nothing was changed
    then.
    """

    def __init__(self, keeper: RegistryKeeper, clock: Clock) -> None:
        self._keeper = keeper
        self._clock = clock

    @property
    def sources(self) -> EventSources:
        """Where events come from now."""
        return self._keeper.sources

    @property
    def registry(self) -> Registry:
        """What is registered now."""
        return self._keeper.registry

    def configure(self, service: str, overrides: Overrides) -> Registry:
        """Set options of a service's newest revision.

        Raises:
            LookupError: there is no such service.
        """
        registry = reconfigured(self._keeper.registry, service, overrides)
        self._keeper.store(registry)
        return registry

    def add_cluster(self, name: str, properties: dict[str, str]) -> KafkaCluster:
        """Add a Kafka cluster.

        Raises:
            SourceError: it cannot be as asked.
        """
        cluster = KafkaCluster(name=name, properties=properties, created_at=self._clock.now_ms())
        self._keeper.store_sources(with_cluster(self.sources, cluster))
        return cluster

    def change_cluster(self, name: str, properties: dict[str, str]) -> KafkaCluster:
        """Reach a Kafka cluster in another way.

        Raises:
            LookupError: there is no such cluster.
            SourceError: it cannot be as asked.
        """
        if name not in self.sources.clusters:
            raise LookupError(name)
        self._keeper.store_sources(with_properties(self.sources, name, properties))
        return self.sources.clusters[name]

    def remove_cluster(self, name: str, *, force: bool) -> None:
        """Forget a Kafka cluster.

        Raises:
            LookupError: there is no such cluster.
            SourceError: a subscription needs it, and it is not removed by force.
        """
        if name not in self.sources.clusters:
            raise LookupError(name)
        self._keeper.store_sources(without_cluster(self.sources, name, force=force))

    def subscribe(self, source: str, sink: str, options: dict[str, str]) -> Subscription:
        """Let events invoke a handler.

        Raises:
            SourceError: source or sink is not there, or not written as it should be.
        """
        drawn = ulid(self._clock.now_ms(), self._clock.random_bytes(10))
        subscription_id = subscription_text(drawn)
        defaults = {"group.id": subscription_id, "client.id": "perdure"}
        subscription = Subscription(
            id=subscription_id, source=source, sink=sink, options=defaults | options
        )
        registry = self._keeper.registry
        self._keeper.store_sources(with_subscription(self.sources, registry, subscription))
        return subscription

    def unsubscribe(self, subscription_id: SubscriptionId) -> None:
        """Forget a subscription.

        Raises:
            LookupError: there is no such subscription.
        """
        if subscription_id not in self.sources.subscriptions:
            raise LookupError(subscription_id)
        self._keeper.store_sources(without_subscription(self.sources, subscription_id))

    def set_rules(self, orders: Sequence[RuleOrder]) -> list[Rule]:
        """Set rules, all of them or none; give each as it is then, in the order they came.

        Raises:
            RuleError: one of them cannot be as asked.
        """
        book = with_rules(self._keeper.rule_book, orders, self._clock.now_ms())
        self._store_rules(book)
        return [book.rules[order.pattern] for order in orders]

    def remove_rules(self, removals: Sequence[RuleRemoval]) -> list[str]:
        """Remove rules, all of them or none; give the patterns of those that were there.

        Raises:
            RuleError: one of them is not as expected.
        """
        book, removed = without_rules(self._keeper.rule_book, removals)
        self._store_rules(book)
        return removed

    def _store_rules(self, book: RuleBook) -> None:
        if book is not self._keeper.rule_book:
            self._keeper.store_rules(book)
