"""Identifiers against the vectors of the service protocol, and back from their text."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.protocol.ids import (
    IdentifierError,
    InvocationId,
    awakeable_text,
    deployment_text,
    derived_uuid,
    idempotency_bucket,
    idempotent_id,
    invocation_text,
    keyed_partition_key,
    parse_awakeable_id,
    parse_deployment_id,
    parse_invocation_id,
    random_seed,
    service_partition_key,
    ulid,
    workflow_run_id,
)

IDS = st.binary(min_size=24, max_size=24).map(InvocationId)

#: How an id is derived, its two halves in hexadecimal, its text, and its seed (section 13).
VECTORS = [
    (
        workflow_run_id("Wf", "w"),
        "3b93c0c33d1fb195",
        "7d9173a8fef7e69307675eb3675f1f7f",
        "inv_1cQNZJ2myUr13RSmuUy3yB7eVRLIK1saux",
        3303017582817307308,
    ),
    (
        workflow_run_id("Wf", "wk1"),
        "4a6c6e32e26ce837",
        "e0f69135fdfcd0f2fc92e513455e709a",
        "inv_14NAYWOkWeyC4HqaAv3eM70hJLaHxEfgB2",
        4064250662959235338,
    ),
    (
        idempotent_id("Svc", "run", "ik1"),
        "063665828ffa6afc",
        "c26513a164374c972f2abd1a9c575f5a",
        "inv_1lFC64thPCiW2KwSCmvGq8czfAjhtV5fRE",
        3532271862541555576,
    ),
    (
        idempotent_id("Svc", "sleep", "ik2"),
        "f4050940962a7e4a",
        "b4f541a4bca666c873d2387cd42013a3",
        "inv_16owsOwu2D8o4XIur8mh589Ev5goeVNWXW",
        14735608133584806573,
    ),
    (
        InvocationId(
            bytes.fromhex("f613627a7bfd6745")
            + derived_uuid("ik", "sc1", "Svc", "ok", "01M7ZXE4HVWJCF17FJQSX3HVE8")
        ),
        "f613627a7bfd6745",
        "286ebb2af7de7f9c3d655c8eb9a2fb5d",
        "inv_15XrKI6E8WY62RlhCxGnClJixgdDHnGO5G",
        11414483167246157524,
    ),
]


@pytest.mark.parametrize(("made", "partition_key", "uuid", "text", "seed"), VECTORS)
def test_ids_are_derived_and_written_as_the_protocol_says(made, partition_key, uuid, text, seed):
    assert made.hex() == partition_key + uuid
    assert invocation_text(made) == text
    assert parse_invocation_id(text) == made
    assert random_seed(made) == seed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s", "9ded95d894abd60b"),
        ("my-key", "842efcb12c916e58"),
        ("ik1", "ec673c6b1cf22ef2"),
        ("ik2", "3b42146d06c93ee0"),
    ],
)
def test_partition_keys_are_hashed_as_the_protocol_says(text, expected):
    assert keyed_partition_key(text).hex() == expected


@pytest.mark.parametrize(("key", "bucket"), [("ik1", 242), ("ik2", 224)])
def test_requests_of_services_fall_into_buckets(key, bucket):
    assert idempotency_bucket(key) == bucket
    assert idempotent_id("Svc", "run", key)[:8] == service_partition_key("Svc", bucket)


def test_the_service_plays_no_role_in_a_keys_partition():
    one, other = idempotent_id("A", "h", "ik", "k"), idempotent_id("B", "h", "ik", "k")
    assert one[:8] == other[:8] == keyed_partition_key("k")
    assert one[8:] != other[8:]


def test_a_scopes_partition_key_is_hashed_like_a_keys():
    assert keyed_partition_key("sc1").hex() == "f613627a7bfd6745"


def test_the_first_awakeable_of_an_invocation():
    text = "sign_1O5PAwz0fsZV9kXOo_vfmkwdnXrNnXx9_AAAAEQ"
    assert awakeable_text(VECTORS[0][0], 17) == text
    assert parse_awakeable_id(text) == (VECTORS[0][0], 17)


def test_a_deployments_id_holds_its_ulid():
    raw = bytes.fromhex("01a1ffd7811cdad85df1139c228d91b9")
    assert deployment_text(raw) == "dp_15Ea63hcGoJDPrfRBPhyEBb"
    assert parse_deployment_id("dp_15Ea63hcGoJDPrfRBPhyEBb") == "dp_15Ea63hcGoJDPrfRBPhyEBb"


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10), st.binary(min_size=10))
def test_ulids_sort_by_time(now, chance, other):
    assert len(ulid(now, chance)) == 16
    assert ulid(now, chance) < ulid(now + 1, other)


@given(IDS)
def test_every_id_comes_back_from_its_text(invocation_id):
    text = invocation_text(invocation_id)
    assert len(text) == 38
    assert parse_invocation_id(text) == invocation_id


@given(IDS, st.integers(0, 2**32 - 1))
def test_every_awakeable_comes_back_from_its_text(invocation_id, index):
    text = awakeable_text(invocation_id, index)
    assert len(text) == 44
    assert parse_awakeable_id(text) == (invocation_id, index)


def test_padding_of_an_awakeable_is_tolerated():
    text = awakeable_text(VECTORS[0][0], 17)
    assert parse_awakeable_id(text + "==") == (VECTORS[0][0], 17)


GOOD = VECTORS[0][3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "bad format"),
        ("foo", "bad format"),
        ("dp_15Ea63hcGoJDPrfRBPhyEBb", "bad format"),
        ("inv_", "unrecognized codec version"),
        ("inv_2" + GOOD[5:], "unrecognized codec version"),
        ("inv_1", "bad length"),
        (GOOD[:-1], "bad length"),
        (GOOD + "0", "bad length"),
        (GOOD[:-1] + "-", "bad format"),
        (GOOD[:-1] + "é", "bad format"),
        ("inv_1" + "Z" * 33, "bad format"),
    ],
)
def test_what_is_no_invocation_id_is_refused(text, says):
    with pytest.raises(IdentifierError, match=says):
        parse_invocation_id(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "bad format"),
        ("foo", "bad format"),
        ("sign_", "bad format"),
        (GOOD, "id doesn't match the expected type"),
        ("prom_1O5PAwz0fsZV9kXOo_vfmkwdnXrNnXx9_AAAAEQ", "id doesn't match the expected type"),
        ("sign_2O5PAwz0fsZV9kXOo_vfmkwdnXrNnXx9_AAAAEQ", "unrecognized codec version"),
        ("sign_1", "bad length"),
        ("sign_1O5PA", "bad length"),
        ("sign_1O5PAwz0fsZV9kXOo_vfmkwdnXrNnXx9_AAAAEQAA", "bad length"),
        ("sign_1A", "bad format"),
        ("sign_1ÄÄÄÄ", "bad format"),
    ],
)
def test_what_is_no_awakeable_id_is_refused(text, says):
    with pytest.raises(IdentifierError, match=says):
        parse_awakeable_id(text)


@pytest.mark.parametrize("text", ["", "dp_1", "dp_2" + "0" * 22, "dp_1" + "-" * 22, GOOD])
def test_what_is_no_deployment_id_is_refused(text):
    with pytest.raises(IdentifierError, match="bad format"):
        parse_deployment_id(text)


@given(st.text(max_size=50))
def test_any_text_is_an_id_or_refused(text):
    for parse in (parse_invocation_id, parse_awakeable_id, parse_deployment_id):
        for prefix in ("", "inv_1", "sign_1", "dp_1"):
            with suppress(IdentifierError):
                parse(prefix + text)
