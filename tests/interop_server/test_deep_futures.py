"""Trees of futures as deep as the protocol allows, from the SDK that writes them as they stand."""

from __future__ import annotations

import pytest
from peer_languages import LANGUAGES
from peer_processes import Server, Services, eventually, get, post

#: The SDK puts a level of its own above what the handler waits for.
DEEP = 990


@pytest.fixture
def towers(built):
    """Give the services that wait for such trees."""
    [typescript] = [each for each in LANGUAGES if each.name == "typescript"] or [None]
    if typescript is None:
        pytest.skip("another language is asked for")
    built(typescript)
    return lambda folder: Services(typescript, folder, "towers")


@pytest.mark.parametrize("patience", ["1m", "0s"])
def test_a_tree_is_waited_for_up_to_the_depth_of_the_protocol(tmp_path, towers, patience):
    settings = (f"worker.invoker.inactivity-timeout={patience}",)
    with towers(tmp_path) as services, Server(tmp_path, *settings) as server:
        assert post(f"{server.admin}/deployments", {"uri": services.address}).status == 201
        for levels in (2, 150, DEEP):
            assert post(f"{server.ingress}/Towers/climb", levels).json == "down again"
        sent = post(f"{server.ingress}/Towers/climb/send", 1_200).json["invocationId"]
        url = f"{server.admin}/invocations/{sent}"
        eventually(lambda: get(url).json["status"], "paused")
        assert get(url).json["last_failure_error_code"] == "RT0025"
