"""Keys that sign requests: read from a file, read again, chosen by endpoint."""

from __future__ import annotations

import logging

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from perdure.protocol.identity import IdentityKeyError, Signer
from perdure.transport.identity_keys import KeyRing


def pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


ONE, TWO, THREE = pem(), pem(), pem()


def public(key: bytes) -> str:
    return Signer(key).public_key


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys.pem"
    path.write_bytes(ONE + b"\n" + TWO)
    return path


def test_all_keys_of_a_file_are_active_and_the_first_one_signs(file):
    ring = KeyRing(file)
    assert ring.public_keys == [public(ONE), public(TWO)]
    assert ring.signer("http://a/").public_key == public(ONE)


def test_an_endpoint_that_does_not_know_a_key_gets_the_next_one(file):
    ring = KeyRing(file)
    first = ring.signer("http://a/")
    assert ring.refused("http://a/", first)
    assert ring.signer("http://a/").public_key == public(TWO)
    assert ring.signer("http://b/") is first
    # Requests that were signed before the change say nothing new.
    assert ring.refused("http://a/", first)
    assert ring.signer("http://a/").public_key == public(TWO)
    assert ring.refused("http://a/", ring.signer("http://a/"))
    assert ring.signer("http://a/") is first


def test_the_only_key_has_no_other(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(ONE)
    ring = KeyRing(path)
    assert not ring.refused("http://a/", ring.signer("http://a/"))


def test_a_file_that_changes_is_read_again(file, caplog):
    ring = KeyRing(file)
    ring.refused("http://a/", ring.signer("http://a/"))
    file.write_bytes(THREE + TWO)
    with caplog.at_level(logging.INFO, "perdure.transport"):
        ring.look()
    assert ring.signer("http://a/").public_key == public(THREE)
    assert public(THREE) in caplog.text
    assert "PRIVATE" not in caplog.text


def test_a_file_that_is_replaced_is_read_again(file, tmp_path):
    ring = KeyRing(file)
    other = tmp_path / "other.pem"
    other.write_bytes(TWO)
    other.rename(file)
    ring.look()
    assert ring.public_keys == [public(TWO)]


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_file_that_is_no_good_changes_nothing_and_is_told_once(file, caplog, content):
    ring = KeyRing(file)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    ring.look()
    assert ring.public_keys == [public(ONE), public(TWO)]
    assert "go on signing" in caplog.text
    file.write_bytes(THREE)
    ring.look()
    assert ring.public_keys == [public(THREE)]


def test_a_file_without_keys_is_refused(tmp_path):
    path = tmp_path / "keys.pem"
    path.write_text("nonsense")
    with pytest.raises(IdentityKeyError):
        KeyRing(path)
