"""Servers and services of these tests, started once each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from interop_peer import IDENTITY_PEM, MissingError, Peer, ServiceProcess, restate_server
from interop_world import WAYS, Interop, Way

from perdure.protocol.identity import Signer


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Peer]]:
    """Servers, by whether they speak version 7 of the service protocol."""
    try:
        restate_server()
    except MissingError as missing:
        pytest.skip(str(missing))
    with (
        Peer(tmp_path_factory.mktemp("v6"), v7=False) as v6,
        Peer(tmp_path_factory.mktemp("v7"), v7=True) as v7,
    ):
        yield {False: v6, True: v7}


@pytest.fixture(scope="session", params=WAYS, ids=str)
def interop(
    request: pytest.FixtureRequest,
    peers: dict[bool, Peer],
    tmp_path_factory: pytest.TempPathFactory,
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
        peer = peers[way.v7]
        uri = f"http://127.0.0.1:{services.port}/restate"
        yield Interop(way, peer, uri, prefix, peer.register(uri, http1=way.http1))
