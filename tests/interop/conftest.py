"""Servers and services of these tests, started once each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from interop_peer import (
    IDENTITY_PEM,
    MissingError,
    OfficialPeer,
    OfficialPeerV7,
    OwnPeer,
    Peer,
    ServiceProcess,
    restate_server,
)
from interop_world import WAYS, Interop, Way

from perdure.protocol.identity import Signer


@pytest.fixture(scope="session")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    skip_without_official_server()
    with OfficialPeer(tmp_path_factory.mktemp("official")) as peer:
        yield peer


@pytest.fixture(scope="session")
def official_v7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    skip_without_official_server()
    with OfficialPeerV7(tmp_path_factory.mktemp("official_v7")) as peer:
        yield peer


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with OwnPeer(tmp_path_factory.mktemp("own")) as peer:
        yield peer


def skip_without_official_server() -> None:
    try:
        restate_server()
    except MissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session", params=WAYS, ids=str)
def interop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Interop]:
    way: Way = request.param
    prefix = f"W{WAYS.index(way)}"
    folder: Path = tmp_path_factory.mktemp("services")
    env = {
        "INTEROP_PREFIX": prefix,
        "INTEROP_INACTIVITY_MS": str(way.inactivity_ms),
        "INTEROP_IDENTITY_KEY": Signer(IDENTITY_PEM).public_key if way.signed else "",
    }
    target = "interop_services:mounted" if way.mounted else "interop_services:app"
    with ServiceProcess(way.web_server, target, folder, env) as services:
        peer: Peer = request.getfixturevalue(way.server)
        uri = f"http://127.0.0.1:{services.port}/restate"
        yield Interop(way, peer, uri, prefix, peer.register(uri, http1=way.http1))
