from __future__ import annotations

import original_cli
import pytest
from admin_processes import running_with


@pytest.fixture(scope="session")
def installed():
    missing = original_cli.install()
    if missing is not None:
        pytest.skip(missing)


@pytest.fixture(scope="module", params=[1, 2], ids=["one", "several"])
def server(request, installed, tmp_path_factory):
    with running_with(request.param, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def home(server, tmp_path_factory):
    """A home for each server: the command line keeps there whom it asks."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def cli(server, home):
    return original_cli.OriginalCli(server.admin, server.ingress, home)
