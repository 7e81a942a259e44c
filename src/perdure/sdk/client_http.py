"""The client's exchanges over HTTP, with httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx

from perdure.sdk.errors import ConnectError
from perdure.sdk.exchanges import Exchange, Request, Response

#: Seconds. Only connecting is bounded: a call may wait for its result for months.
_TIMEOUT: Final = httpx.Timeout(None, connect=10.0)
#: Calls that wait must not keep others from being sent.
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=100)
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def reads_environment(url: str) -> bool:
    """Tell whether a proxy of the environment applies to an address: to this machine, none does."""
    parts = urlsplit(url)
    return parts.scheme != "http" or parts.hostname not in _THIS_MACHINE


@asynccontextmanager
async def http_exchange(url: str, headers: Mapping[str, str] | None) -> AsyncIterator[Exchange]:
    """Give exchanges with the ingress at an address, until the block is left.

    Args:
        url: The address, with its scheme.
        headers: What each request carries besides its own headers.
    """
    async with httpx.AsyncClient(
        base_url=url,
        headers=headers,
        timeout=_TIMEOUT,
        limits=_LIMITS,
        trust_env=reads_environment(url),
    ) as http:

        async def exchange(request: Request) -> Response:
            try:
                answer = await http.request(
                    request.method, request.path, headers=request.headers, content=request.body
                )
            except httpx.RequestError as error:
                raise ConnectError(
                    f"no answer from {url}: {error or type(error).__name__}"
                ) from error
            return Response(status=answer.status_code, headers=answer.headers, body=answer.content)

        yield exchange
