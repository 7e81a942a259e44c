"""Single requests, where nothing is measured: to set up, to check, to call what takes long."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

from msgspec import Struct


class Reply(Struct, frozen=True):
    """A response: its status, and its body as it came."""

    status: int
    body: bytes


def ask(
    url: str,
    value: object = None,
    *,
    method: str = "POST",
    timeout_s: float = 5,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Make a request, with a value as JSON if there is one.

    Raises:
        OSError: nobody answered in time.
    """
    request = urllib.request.Request(url, method=method, headers=dict(headers or {}))  # noqa: S310 - our own server
    if value is not None:
        request.data = json.dumps(value).encode()
        request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310 - as above
            return Reply(response.status, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read())
