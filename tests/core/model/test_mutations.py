"""The version of a state tells states apart, and is the one that clients compute."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

from perdure.core.model.mutations import state_version


def test_nothing_has_the_version_of_nothing():
    expected = urlsafe_b64encode(sha256(b"").digest()).rstrip(b"=").decode()
    assert state_version([]) == expected == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_a_version_hashes_places_keys_and_values():
    written = (
        b"\0\0\0\0\0\0\0\0\x01count\x0242\x03"  # the first row
        b"\0\0\0\0\0\0\0\x01\x01name\x02\x03"  # the second
    )
    expected = urlsafe_b64encode(sha256(written).digest()).rstrip(b"=").decode()
    assert state_version([(b"count", b"42"), (b"name", b"")]) == expected


def test_states_differ_by_where_a_key_ends():
    assert state_version([(b"ab", b"c")]) != state_version([(b"a", b"bc")])
