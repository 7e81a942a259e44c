from __future__ import annotations

import contextlib

import peer_processes
import pytest

PEERS = ["python-http2", "python-http1", "typescript-http2", "typescript-http1"]


@pytest.fixture(scope="session", params=PEERS)
def world(request, tmp_path_factory):
    """A server of ours, with the services of one official SDK, over one version of HTTP."""
    language, mode = request.param.split("-")
    folder = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as stack:
        if language == "python":
            pytest.importorskip("restate", reason="restate-sdk is not installed")
            pytest.importorskip("hypercorn", reason="hypercorn is not installed")
            address = stack.enter_context(peer_processes.python_services(folder))
        else:
            missing = peer_processes.install_typescript()
            if missing is not None:
                pytest.skip(missing)
            address = stack.enter_context(peer_processes.typescript_services(folder, mode))
        # Failing attempts shall not slow the tests down.
        ours = stack.enter_context(
            peer_processes.server(folder, "default-retry-policy.initial-interval=50ms")
        )
        registered = peer_processes.post(
            f"{ours.admin}/deployments", {"uri": address, "use_http_11": mode == "http1"}
        )
        assert registered.status == 201, registered
        yield ours
