"""Services in the server's own process."""

from __future__ import annotations

import pytest

from perdure.core.model.deployments import Deployment
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.transports import Line, TransportError, Transports, scheme_of
from perdure.protocol.ids import InvocationId, deployment_text
from perdure.protocol.manifest import Manifest
from perdure.transport.in_process import SCHEME, InProcessTransport, endpoint_of

GREET = Target("Greeter", "greet", HandlerKind.SERVICE)
MANIFEST = Manifest(min_protocol_version=5, max_protocol_version=7, services=())


class Host:
    """Serves one handler, and notes who asked for it."""

    def __init__(self) -> None:
        self.opened: list[tuple] = []

    def manifest(self) -> Manifest:
        return MANIFEST

    def open(self, service, handler, protocol_version, sink):
        if handler != "greet":
            raise LookupError(f"no {handler}")
        self.opened.append((service, handler, protocol_version, sink))
        return self


def deployment(endpoint: str) -> Deployment:
    return Deployment(
        id=deployment_text(bytes(16)),
        endpoint=endpoint,
        created_at=0,
        manifest=MANIFEST,
        revisions={},
    )


def sink(_messages) -> None:
    pass


def line(target=GREET, protocol_version=7) -> Line:
    return Line(InvocationId(bytes(24)), target, protocol_version, sink, lambda *_: None)


def test_an_application_is_reached_by_its_endpoint():
    transport, host = InProcessTransport(), Host()
    transport.add(endpoint_of("shop.main:app"), host)
    session = transport.open(deployment("inprocess://shop.main:app"), line())
    assert session is host
    assert host.opened == [("Greeter", "greet", 7, sink)]


def test_an_application_takes_the_place_of_the_one_before():
    transport, old, new = InProcessTransport(), Host(), Host()
    transport.add(endpoint_of("app"), old)
    transport.add(endpoint_of("app"), new)
    transport.open(deployment("inprocess://app"), line())
    assert (len(old.opened), len(new.opened)) == (0, 1)


def test_an_application_that_does_not_run_here_is_told():
    with pytest.raises(TransportError, match="inprocess://app does not run in this process") as no:
        InProcessTransport().open(deployment("inprocess://app"), line())
    assert no.value.doc_code == "RT0010"


def test_a_handler_that_is_gone_is_told():
    transport = InProcessTransport()
    transport.add(endpoint_of("app"), Host())
    gone = Target("Counter", "add", HandlerKind.EXCLUSIVE, "k")
    with pytest.raises(TransportError, match="no longer serves Counter/add: no add") as no:
        transport.open(deployment("inprocess://app"), line(gone))
    assert no.value.doc_code == "RT0011"


def test_a_transport_is_chosen_by_the_endpoint_s_scheme():
    inner, host = InProcessTransport(), Host()
    inner.add(endpoint_of("app"), host)
    transports = Transports({SCHEME: inner})
    assert transports.open(deployment("inprocess://app"), line(protocol_version=5)) is host
    with pytest.raises(TransportError, match="no transport for http://localhost:9080") as no:
        transports.open(deployment("http://localhost:9080"), line(protocol_version=5))
    assert no.value.doc_code == "RT0010"


@pytest.mark.parametrize(
    ("endpoint", "scheme"),
    [("inprocess://shop.main:app", "inprocess"), ("http://[::1]:9080/a", "http")],
)
def test_schemes(endpoint, scheme):
    assert scheme_of(endpoint) == scheme
