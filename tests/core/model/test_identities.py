"""Which id a request gets."""

from __future__ import annotations

import pytest

from perdure.core.model.identities import CHANCE_BYTES, is_drawn, request_id, sibling_id
from perdure.core.model.targets import HandlerKind, Target
from perdure.protocol.ids import (
    SERVICE_BUCKETS,
    idempotent_id,
    keyed_partition_key,
    service_partition_key,
    workflow_run_id,
)

NOW = 1_795_292_935_473
CHANCE = bytes(range(CHANCE_BYTES))
OTHER = bytes(reversed(range(CHANCE_BYTES)))
SERVICE = Target("Svc", "run", HandlerKind.SERVICE)
OBJECT = Target("Counter", "add", HandlerKind.EXCLUSIVE, "k")
RUN = Target("Wf", "run", HandlerKind.WORKFLOW, "w")


@pytest.mark.parametrize("key", [None, "ik"])
def test_a_workflows_run_has_one_id(key):
    assert request_id(RUN, key, NOW, CHANCE) == workflow_run_id("Wf", "w")
    assert not is_drawn(RUN.kind, key)


def test_an_idempotency_key_names_the_request():
    assert request_id(SERVICE, "ik", NOW, CHANCE) == idempotent_id("Svc", "run", "ik")
    assert request_id(OBJECT, "ik", NOW, CHANCE) == idempotent_id("Counter", "add", "ik", "k")
    assert not is_drawn(SERVICE.kind, "ik")


def test_an_empty_idempotency_key_is_a_key():
    assert request_id(SERVICE, "", NOW, CHANCE) == request_id(SERVICE, "", NOW + 1, OTHER)
    assert not is_drawn(SERVICE.kind, "")


def test_an_empty_object_key_is_a_key():
    nameless = Target("Counter", "add", HandlerKind.EXCLUSIVE, "")
    assert request_id(nameless, "ik", NOW, CHANCE) == idempotent_id("Counter", "add", "ik", "")


@pytest.mark.parametrize("target", [SERVICE, OBJECT])
def test_other_requests_get_a_fresh_id_in_their_partition(target):
    one = request_id(target, None, NOW, CHANCE)
    assert one == request_id(target, None, NOW, CHANCE)
    assert one != request_id(target, None, NOW, OTHER)
    assert one[8:14] == NOW.to_bytes(6, "big"), "the uuid sorts by time"
    assert is_drawn(target.kind, None)


def test_requests_of_an_object_share_its_partition_key():
    assert request_id(OBJECT, None, NOW, CHANCE)[:8] == keyed_partition_key("k")


def test_requests_of_a_service_spread_over_its_buckets():
    keys = {
        request_id(SERVICE, None, NOW, bytes(10) + bucket.to_bytes(2, "big"))[:8]
        for bucket in range(SERVICE_BUCKETS)
    }
    assert keys == {service_partition_key("Svc", bucket) for bucket in range(SERVICE_BUCKETS)}


def test_a_sibling_lives_in_the_same_partition():
    one = request_id(SERVICE, "ik", NOW, CHANCE)
    sibling = sibling_id(one, NOW, OTHER)
    assert sibling[:8] == one[:8]
    assert sibling != one
    assert len(sibling) == 24
