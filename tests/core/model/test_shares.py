"""Shares: every partition key is somebody's, and nobody else's."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.model.identities import CHANCE_BYTES, request_id
from perdure.core.model.shares import ALONE, Share, service_keys, share_of
from perdure.core.model.targets import HandlerKind, Target
from perdure.protocol.ids import SERVICE_BUCKETS, InvocationId, service_partition_key

COUNTS = range(1, 65)
SERVICE = Target("Svc", "run", HandlerKind.SERVICE)
names = st.binary(min_size=24, max_size=24)


def all_of(count: int) -> list[Share]:
    return [share_of(index, count) for index in range(count)]


@given(st.sampled_from(COUNTS), names)
def test_every_invocation_has_one_owner_that_holds_it(count, name):
    owners = [share.index for share in all_of(count) if share.holds(name)]
    assert owners == [share.owner(InvocationId(name)) for share in all_of(count)[:1]]


@pytest.mark.parametrize("count", COUNTS)
def test_shares_lie_side_by_side_and_cover_everything(count):
    shares = all_of(count)
    assert shares[0].low == bytes(8)
    assert [share.end for share in shares[:-1]] == [share.low for share in shares[1:]]
    assert shares[-1].holds(b"\xff" * 24)
    sizes = {
        int.from_bytes(after.low, "big") - int.from_bytes(before.low, "big")
        for before, after in pairwise(shares)
    }
    assert len(sizes) <= 2, "equal, as far as whole numbers go"


@pytest.mark.parametrize("count", COUNTS)
def test_borders_belong_to_the_share_that_begins_there(count):
    for share in all_of(count):
        first = InvocationId(share.low + bytes(16))
        assert share.holds(first)
        assert share.owner(first) == share.index
        if share.index:
            number = int.from_bytes(share.low, "big") - 1
            before = InvocationId(number.to_bytes(8, "big") + b"\xff" * 16)
            assert not share.holds(before)
            assert share.owner(before) == share.index - 1


def test_whoever_is_alone_has_it_all():
    assert share_of(0, 1) == ALONE
    assert ALONE.alone
    assert not share_of(0, 2).alone
    assert ALONE.holds(bytes(24))
    assert ALONE.holds(b"\xff" * 24)


@given(st.sampled_from(COUNTS), st.integers(0, 63), st.text(max_size=20))
def test_a_share_has_service_keys_of_its_own(count, index, service):
    share = share_of(index % count, count)
    keys = service_keys(service, share)
    every = [service_partition_key(service, bucket) for bucket in range(SERVICE_BUCKETS)]
    own = [key for key in every if share.holds(key)]
    assert list(keys) == (own or every)


@given(st.sampled_from(COUNTS), st.integers(0, 63), st.binary(min_size=12, max_size=12))
def test_a_request_that_nothing_names_stays_where_it_came_in(count, index, chance):
    share = share_of(index % count, count)
    drawn = request_id(SERVICE, None, 1, chance, share)
    keys = service_keys("Svc", share)
    assert drawn[:8] in keys
    assert share.holds(drawn) or len(keys) == SERVICE_BUCKETS


@pytest.mark.parametrize("index", [0, 1])
def test_a_request_that_is_named_has_one_id_wherever_it_comes_in(index):
    share = share_of(index, 2)
    chance = bytes(CHANCE_BYTES)
    assert request_id(SERVICE, "ik", 1, chance, share) == request_id(SERVICE, "ik", 2, chance)
