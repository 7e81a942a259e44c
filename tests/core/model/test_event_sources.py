"""Kafka clusters and subscriptions as values: what may be, and what hangs together."""

from __future__ import annotations

import pytest

from perdure.core.model.event_sources import (
    ClusterExistsError,
    ClusterInUseError,
    EventSources,
    KafkaCluster,
    SourceError,
    Subscription,
    event_sources,
    parse_subscription_id,
    subscription_text,
    with_cluster,
    with_properties,
    without_cluster,
    without_subscription,
)
from perdure.protocol.ids import IdentifierError

BROKERS = {"bootstrap.servers": "h:1"}
ONE = subscription_text(bytes([1] * 16))


def cluster(name="kc1", **properties):
    return KafkaCluster(name=name, properties=properties or BROKERS, created_at=1)


SUBSCRIBED = Subscription(id=ONE, source="kafka://kc1/t", sink="service://A/b", options={})


def test_an_id_is_read_as_it_was_written():
    assert parse_subscription_id(ONE) == ONE
    assert len({subscription_text(bytes([number] * 16)) for number in range(256)}) == 256


@pytest.mark.parametrize(
    "text", ["", "sub_1", ONE + "0", ONE[:-1], ONE[:-1] + "~", "dp_1" + ONE[5:]]
)
def test_other_texts_are_no_ids(text):
    with pytest.raises(IdentifierError):
        parse_subscription_id(text)


@pytest.mark.parametrize("name", ["a", "kc-1", "a.b.c", "A9"])
def test_a_cluster_is_named_like_a_host(name):
    assert with_cluster(EventSources(), cluster(name)).clusters[name].name == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a..b", "a_b", "a/b", "é", "a" * 64])
def test_other_names_are_refused(name):
    with pytest.raises(SourceError):
        with_cluster(EventSources(), cluster(name))


def test_a_name_is_taken_once():
    with pytest.raises(ClusterExistsError):
        with_cluster(event_sources([cluster()], []), cluster())


def test_one_option_must_tell_where_the_brokers_are():
    with_cluster(EventSources(), cluster(**{"metadata.broker.list": "h:1"}))
    sources = event_sources([cluster()], [])
    for properties in ({}, {"client.id": "a"}, {"bootstrap.servers": ""}):
        with pytest.raises(SourceError, match=r"bootstrap\.servers"):
            with_properties(sources, "kc1", properties)


def test_a_cluster_is_kept_while_it_is_needed():
    sources = event_sources([cluster(), cluster("kc2")], [SUBSCRIBED])
    assert without_cluster(sources, "kc2", force=False).clusters.keys() == {"kc1"}
    with pytest.raises(ClusterInUseError, match=ONE):
        without_cluster(sources, "kc1", force=False)
    assert without_cluster(sources, "kc1", force=True).subscriptions == {ONE: SUBSCRIBED}
    freed = without_subscription(sources, ONE)
    assert without_cluster(freed, "kc1", force=False).clusters.keys() == {"kc2"}
