"""A server in a thread of its own, with services to try the admin API on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta

import httpx

import perdure

START_S = 20
ANSWER_S = 20


def services():
    greeter, counter = perdure.Service("Greeter"), perdure.VirtualObject("Counter")
    signup = perdure.Workflow("Signup")

    @greeter.handler()
    async def greet(ctx: perdure.Context, name: str) -> str:
        return f"Hello {name}"

    @greeter.handler()
    async def fail(ctx: perdure.Context, name: str) -> str:
        raise perdure.TerminalError(name)

    @greeter.handler()
    async def wait(ctx: perdure.Context) -> None:
        await ctx.sleep(timedelta(days=1))

    @counter.handler()
    async def add(ctx: perdure.ObjectContext, number: int) -> int:
        total = (await ctx.get("count", type_hint=int) or 0) + number
        ctx.set("count", total)
        return total

    @counter.handler()
    async def hold(ctx: perdure.ObjectContext) -> None:
        await ctx.sleep(timedelta(days=1))

    @signup.main()
    async def run(ctx: perdure.WorkflowContext) -> None:
        return None

    return perdure.app([greeter, counter, signup])


class AdminServer:
    """Asks a running server."""

    def __init__(self, admin: str, ingress: str) -> None:
        self.admin = admin
        self.ingress = ingress
        self.client = httpx.Client(timeout=ANSWER_S)

    def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        options = {} if body is None else {"json": body}
        return self.client.request(method, self.admin + path, **options)

    def call(self, path: str, value: object = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        options = {} if value is None else {"json": value}
        return self.client.post(self.ingress + path, headers=named, **options)

    def send(self, path: str, value: object = None, **headers: str) -> str:
        """Send a request one way; give the invocation's id."""
        return self.call(path, value, **headers).json()["invocationId"]

    def status(self, invocation_id: str) -> str:
        return self.ask("GET", f"/invocations/{invocation_id}").json()["status"]


@contextlib.contextmanager
def running(data_dir=None) -> Iterator[AdminServer]:
    """Run a server for as long as the context lasts."""
    started, stop = threading.Event(), asyncio.Event()
    found = {}

    async def serve():
        async with perdure.embedded(services(), data_dir=data_dir) as runtime:
            found.update(loop=asyncio.get_running_loop())
            found.update(admin=runtime.admin_url, ingress=runtime.ingress_url)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(START_S), "the server did not start"
        server = AdminServer(found["admin"], found["ingress"])
        with server.client:
            yield server
    finally:
        if "loop" in found:
            found["loop"].call_soon_threadsafe(stop.set)
        thread.join(START_S)
