from __future__ import annotations

import original_cli
import pytest
from admin_server import running


@pytest.fixture(scope="session")
def installed():
    missing = original_cli.install()
    if missing is not None:
        pytest.skip(missing)


@pytest.fixture(scope="module")
def server(installed):
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def cli(server, home):
    return original_cli.OriginalCli(server.admin, server.ingress, home)
