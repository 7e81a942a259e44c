"""Attempts at services over HTTP: where their requests go, and what their heads say."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perdure.core.model.deployments import Deployment
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.transports import Line, TransportError
from perdure.protocol.ids import DeploymentId, InvocationId, invocation_text
from perdure.protocol.manifest import Manifest
from perdure.transport import http
from perdure.transport.exchanges import Exchange
from perdure.transport.http import HttpOptions, HttpTransport
from perdure.transport.network import Origin

ID = InvocationId(b"i" * 24)
MANIFEST = Manifest(min_protocol_version=5, max_protocol_version=6, services=())
THERE = Deployment(
    id=DeploymentId("dp_1"),
    endpoint="http://there:9080/below",
    created_at=0,
    manifest=MANIFEST,
    revisions={},
    additional_headers={"x-who": "one"},
)


class Client:
    """Notes what is asked, and where."""

    def __init__(self) -> None:
        self.asked: list[tuple[Origin, str, dict[str, str]]] = []

    def open(self, origin, request, listener, *, memory):
        self.asked.append((origin, request.path, dict(request.all_headers)))
        return Exchange(request, listener, memory)


def line(service="S", handler="h", version=6, key="", kind=HandlerKind.SERVICE) -> Line:
    def nobody(*_) -> None:
        raise AssertionError("nothing is said")

    return Line(ID, Target(service, handler, kind, key), version, nobody, nobody)


def asked(*attempts: tuple[Deployment, Line]) -> list[tuple[Origin, str, dict[str, str]]]:
    client = Client()
    transport = HttpTransport(client, HttpOptions(headers={"x-all": "yes"}))
    for deployment, each in attempts:
        transport.open(deployment, each)
    return client.asked


def test_attempts_at_one_handler_differ_in_nothing_but_what_is_their_own():
    first, second = asked((THERE, line()), (THERE, line()))
    assert first == second
    origin, path, headers = first
    assert (origin, path) == (Origin("http", "there", 9080), "/below/invoke/S/h")
    media = "application/vnd.restate.invocation.v6"
    assert headers == {
        "content-type": media,
        "accept": media,
        "x-all": "yes",
        "x-who": "one",
        "x-restate-invocation-id": invocation_text(ID),
    }


@pytest.mark.parametrize(
    ("other", "path", "media"),
    [
        (line(service="T"), "/below/invoke/T/h", "v6"),
        (line(handler="g"), "/below/invoke/S/g", "v6"),
        (line(version=5), "/below/invoke/S/h", "v5"),
    ],
)
def test_what_is_known_of_one_handler_is_not_used_for_another(other, path, media):
    _, (_, other_path, headers) = asked((THERE, line()), (THERE, other))
    assert other_path == path
    assert headers["accept"] == f"application/vnd.restate.invocation.{media}"


def test_keys_are_told_with_each_request():
    kind = HandlerKind.SHARED
    attempts = [(THERE, line(key=key, kind=kind)) for key in ("a/b", "c")]
    told = [headers["x-restate-service-key"] for _, _, headers in asked(*attempts)]
    assert told == ["a%2Fb", "c"]


@pytest.mark.parametrize(
    ("changes", "change"),
    [
        ({"additional_headers": {"x-who": "two"}}, "two"),
        ({"endpoint": "http://elsewhere:9080"}, Origin("http", "elsewhere", 9080)),
        ({"http_version": "HTTP/1.1"}, Origin("http", "there", 9080, http2=False)),
    ],
)
def test_a_deployment_that_was_changed_is_asked_as_it_is_now(changes, change):
    _, (origin, _, headers) = asked((THERE, line()), (replace(THERE, **changes), line()))
    assert change in (headers["x-who"], origin)


def test_an_address_that_cannot_be_used_costs_each_attempt():
    nowhere = replace(THERE, endpoint="ftp://there")
    for _ in range(2):
        with pytest.raises(TransportError, match="not reached over http"):
            asked((nowhere, line()))


def test_of_very_many_handlers_some_are_remembered(monkeypatch):
    monkeypatch.setattr(http, "WAYS_MAX", 3)
    transport = HttpTransport(Client(), HttpOptions())
    for number in range(10):
        transport.open(THERE, line(handler=str(number)))
        assert len(transport._ways) <= 3
