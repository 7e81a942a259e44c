from __future__ import annotations

import pytest
from admin_support import Server


@pytest.mark.parametrize(
    ("method", "url", "body", "waits"),
    [
        ("GET", "/services", None, 0),
        ("HEAD", "/services", None, 0),
        ("PATCH", "/services/Greeter", {"public": False}, 1),
        ("PATCH", "/v3/services/Greeter", {"public": False}, 1),
    ],
)
def test_a_change_is_answered_when_all_of_the_server_goes_by_it(method, url, body, waits):
    waited = []

    async def settled() -> None:
        waited.append(method)

    response = Server().ask(method, url, body, settled=settled)
    assert response.status == 200
    assert len(waited) == waits
