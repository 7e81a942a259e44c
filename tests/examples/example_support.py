"""Runs an example as a user does: embedded server, durable directory, requests over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

import perdure

DEADLINE_S = 30
#: The outages of the examples are many; nobody wants to wait for them here.
SETTINGS = {"default-retry-policy.initial-interval": "10ms"}
#: So few that whatever waits is suspended, and replayed when it goes on.
ONE_SLOT = {"worker.invoker.concurrent-invocations-limit": "1"}


@asynccontextmanager
async def serving(
    app: Any, data_dir: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application, and give a client of its ingress."""
    async with (
        perdure.embedded(app, data_dir=data_dir, settings={**SETTINGS, **settings}) as runtime,
        httpx.AsyncClient(base_url=runtime.ingress_url, timeout=DEADLINE_S) as client,
    ):
        yield client


def play(
    app: Any,
    data_dir: Path,
    scenario: Callable[[httpx.AsyncClient], Awaitable[None]],
    settings: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run a scenario against an application."""

    async def run() -> None:
        async with serving(app, data_dir, settings) as client:
            await scenario(client)

    asyncio.run(run())


async def ask(client: httpx.AsyncClient, path: str, body: Any = None, **options: Any) -> Any:
    """Call a handler; give its result, or fail with what it said instead."""
    response = await client.post(path, json=body, **options)
    assert response.is_success, response.text
    return response.json() if response.content else None


async def until(probe: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Ask again until the answer is the wanted one."""
    async with asyncio.timeout(DEADLINE_S):
        while not wanted(answer := await probe()):  # noqa: ASYNC110 - asked over HTTP, not an event
            await asyncio.sleep(0.02)
    return answer
