"""Answers to discovery, and where deployments may be."""

from __future__ import annotations

import json

import pytest

from perdure.engine.registrar import DiscoveryError
from perdure.protocol.manifest import ProtocolMode
from perdure.transport.addresses import AddressError, parse_address
from perdure.transport.discovery import HANDLERS_MAX, Answer, read_answer
from perdure.transport.network import RefusedAddressError, check_address

V4 = {"content-type": "application/vnd.restate.endpointmanifest.v4+json"}
MANIFEST = {
    "protocolMode": "BIDI_STREAM",
    "minProtocolVersion": 5,
    "maxProtocolVersion": 7,
    "services": [{"name": "S", "ty": "SERVICE", "handlers": [{"name": "h"}]}],
}


def answer(status=200, headers=V4, **changes) -> Answer:
    manifest = {key: value for key, value in (MANIFEST | changes).items() if value is not None}
    return Answer(status, headers, json.dumps(manifest).encode())


def serving(**handler) -> Answer:
    """Give the answer of a service with one handler."""
    handlers = [{"name": "h"} | handler]
    return answer(services=[{**MANIFEST["services"][0], "handlers": handlers}])


def serving_many(count: int) -> Answer:
    """Give the answer of a service with so many handlers."""
    handlers = [{"name": f"h{number}"} for number in range(count)]
    return answer(services=[{**MANIFEST["services"][0], "handlers": handlers}])


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_every_version_of_the_manifest_is_read(version):
    content_type = f"application/vnd.restate.endpointmanifest.v{version}+json; charset=utf-8"
    given = answer(headers={"content-type": content_type})
    assert read_answer("http://h/", given).max_protocol_version == 7


def test_a_manifest():
    manifest = read_answer("http://h/", answer(unknown=1))
    assert manifest.protocol_mode is ProtocolMode.BIDI_STREAM
    assert [service.name for service in manifest.services] == ["S"]


@pytest.mark.parametrize("given", ["*/*", "text/*", "a/b+json; charset=utf-8", "a/b ;c", None])
def test_content_types(given):
    manifest = read_answer("http://h/", serving(input={"contentType": given}))
    assert manifest.services[0].handlers[0].input.content_type == given


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (answer(500), "META0003", "HTTP status 500"),
        (answer(301, {"location": "https://h/discover"}), "META0003", "'https://h/discover'"),
        (answer(404), "META0003", "the path where the services are mounted"),
        (serving_many(HANDLERS_MAX), "META0013", "more than 10000"),
        (answer(headers={}), "META0013", "content type"),
        (answer(headers={"content-type": "application/json"}), "META0013", "content type"),
        (answer(headers={"content-type": V4["content-type"].replace("4", "5")}), "META0013", "v5"),
        (answer(maxProtocolVersion=2**80), "META0013", "no range"),
        (answer(protocolMode=None), "META0013", "protocolMode"),
        (answer(protocolMode="BOTH"), "META0013", "BOTH"),
        (answer(minProtocolVersion=8), "META0013", "no range"),
        (answer(services=None), "META0013", "services"),
        (
            answer(services=[{**MANIFEST["services"][0], "abortTimeout": -1}]),
            "META0013",
            "abort_timeout of -1",
        ),
        (serving(input={"contentType": "json"}), "META0013", "contentType of 'json'"),
        (serving(input={"contentType": ""}), "META0013", "contentType of ''"),
        (serving(output={"contentType": "a/b\r\nx: y"}), "META0013", "S/h has a contentType"),
        (serving(output={"contentType": "a/b;\ny"}), "META0013", "S/h has a contentType"),
        (serving(output={"contentType": "täxt/plain"}), "META0013", "S/h has a contentType"),
        (Answer(200, V4, b"{"), "META0013", "cannot be used"),
        (Answer(200, V4, b"\xff\xfe"), "META0013", "cannot be used"),
    ],
)
def test_an_answer_that_is_of_no_use(given, code, said):
    with pytest.raises(DiscoveryError) as refused:
        read_answer("http://h/", given)
    assert refused.value.code == code
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("uri", "authority", "path"),
    [
        ("http://host:9080/", "host:9080", "/discover"),
        ("http://host", "host:80", "/discover"),
        ("https://host/a/b/", "host:443", "/a/b/discover"),
        ("http://[::1]:9080/a?k=v", "[::1]:9080", "/a/discover?k=v"),
    ],
)
def test_addresses(uri, authority, path):
    address = parse_address(uri, http2=True)
    assert address.origin.authority == authority
    assert address.path("/discover") == path


@pytest.mark.parametrize(
    "uri", ["ftp://host/", "http://", "http://u:p@host/", "http://h:x/", "http://h/a b"]
)
def test_addresses_that_cannot_be_used(uri):
    with pytest.raises(AddressError):
        parse_address(uri, http2=True)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "::1", "8.8.8.8", "fd00::1", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_addresses_that_services_may_have(address):
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "::ffff:168.63.129.16"),
        *("fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "100.100.100.200"),
        *("::169.254.169.254", "::ffff:0:169.254.169.254", "64:ff9b::169.254.169.254"),
        *("64:ff9b:1::169.254.169.254", "2002:a9fe:a9fe::1", "2001:0:0:0:0:0:5601:5601"),
        *("64:ff9b::100.100.100.200", "192.0.0.192", "fd00:ec2::23"),
    ],
)
def test_addresses_that_are_refused(address):
    with pytest.raises(RefusedAddressError):
        check_address(address)
