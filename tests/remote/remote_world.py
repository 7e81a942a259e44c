"""A server of ours in this process, for services that live elsewhere, and whoever asks it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
from msgspec.structs import replace

from perdure.server.doors import bind
from perdure.server.runtime import Failure, Runtime, open_runtime
from perdure.server.settings import Settings

DEADLINE_S = 30
#: Failing attempts shall not slow the tests down.
QUICK = Settings(
    data_dir=None,
    shutdown_timeout_ms=500,
    retry_initial_interval_ms=20,
    retry_max_interval_ms=20,
    retry_max_attempts=None,
)


class RemoteWorld:
    """Asks a running server."""

    def __init__(self, runtime: Runtime, client: httpx.AsyncClient, failure: Failure) -> None:
        self.runtime = runtime
        self.client = client
        self.failure = failure

    @property
    def held_bytes(self) -> int:
        """What open attempts hold of messages on their way."""
        return self.runtime._engine._invoker._memory.held

    async def register(self, endpoint: str, **body: object) -> httpx.Response:
        where = "arn" if endpoint.startswith("arn:") else "uri"
        url = f"{self.runtime.admin_url}/deployments"
        return await self.client.post(url, json={where: endpoint} | body)

    async def registered(self, endpoint: str, **body: object) -> str:
        """Register what must be all right; give the deployment's id."""
        response = await self.register(endpoint, **body)
        assert response.status_code in (200, 201), response.text
        return response.json()["id"]

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Ask the admin API."""
        options = {} if body is None else {"json": body}
        return await self.client.request(method, self.runtime.admin_url + path, **options)

    async def call(self, path: str, value: object = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        options = {} if value is None else {"json": value}
        return await self.client.post(self.runtime.ingress_url + path, headers=named, **options)

    async def send(self, path: str, value: object = None) -> str:
        """Send a request one way; give the invocation's id."""
        response = await self.call(f"{path}/send", value)
        assert response.status_code == 202, response.text
        return response.json()["invocationId"]

    async def shown(self, invocation_id: str) -> dict:
        """Give an invocation, as operators see it."""
        return (await self.ask("GET", f"/invocations/{invocation_id}")).json()

    async def status(self, invocation_id: str) -> str:
        return (await self.shown(invocation_id))["status"]

    async def rows(self, query: str) -> list[dict]:
        """Ask in SQL."""
        url, json = f"{self.runtime.admin_url}/query", {"query": query}
        response = await self.client.post(url, json=json, headers={"accept": "application/json"})
        return response.json()["rows"]

    async def result(self, invocation_id: str) -> httpx.Response:
        """Wait for the result of an invocation."""
        path = f"/restate/invocation/{invocation_id}/attach"
        return await self.client.get(self.runtime.ingress_url + path)


async def eventually(read: Callable[[], Awaitable], expected: object) -> object:
    """Wait until something reads as expected: a value, or what a function says yes to."""
    found = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = await read()
                if expected(found) if callable(expected) else found == expected:
                    return found
                await asyncio.sleep(0.02)
    raise AssertionError(f"it is still {found!r}")


@contextlib.asynccontextmanager
async def serving(**settings: object) -> AsyncIterator[RemoteWorld]:
    """Run a server for as long as the context lasts; it must not have failed by then.

    Nor may anything be left of what its attempts held.
    """
    failure = Failure()
    with contextlib.ExitStack() as stack:
        listeners = {
            name: stack.enter_context(bind("127.0.0.1", 0, "--port"))
            for name in ("ingress", "admin")
        }
        used = replace(QUICK, **settings)
        async with (
            open_runtime(used, {}, listeners, failure) as runtime,
            httpx.AsyncClient(timeout=DEADLINE_S, trust_env=False) as client,
        ):
            world = RemoteWorld(runtime, client, failure)
            yield world
            assert not failure.reason.done(), failure.reason.result()
    assert world.held_bytes == 0, "however attempts end, nothing of them stays"


def play(scenario: Awaitable[None]) -> None:
    """Run a scenario to its end, in bounded time."""

    async def bounded() -> None:
        async with asyncio.timeout(2 * DEADLINE_S):
            await scenario

    asyncio.run(bounded())
