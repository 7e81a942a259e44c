"""A server that talks to an endpoint: over ASGI without sockets, in frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from perdure.protocol.framing import FrameDecoder
from perdure.protocol.messages import Input, Message, Start, Value
from perdure.protocol.wire import decode, encode
from perdure.sdk.streamed import Streamed

INVOCATION = bytes(range(24))
INPUT = Input(Value(b'"Ada"'))


def content_type(version: int) -> str:
    return f"application/vnd.restate.invocation.v{version}"


def journal(*entries: Message) -> list[Message]:
    """Give what the server begins with: Start, the input, and what it knows."""
    start = Start(INVOCATION, "inv_1x", 1 + len(entries), partial_state=False, random_seed=7)
    return [start, INPUT, *entries]


def encoded(messages: Sequence[Message], version: int = 6) -> bytes:
    return b"".join(encode(message, version) for message in messages)


def decoded(data: bytes, version: int = 6) -> list[Message]:
    decoder = FrameDecoder()
    messages = [decode(*frame, version) for frame in decoder.receive_data(data)]
    decoder.receive_eof()
    return messages


class Client:
    """One request to an ASGI application."""

    def __init__(self, app: Any, method: str, path: str, **headers: str) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.grown = asyncio.Event()
        self.version = 6
        self.read = 0
        scope = {
            "type": "http",
            "http_version": headers.pop("http_version", "2"),
            "method": method,
            "path": path,
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
            ],
        }
        self.task = self.take(app, scope)

    @classmethod
    def invoking(
        cls, app: Any, path: str = "/invoke/S/run", version: int = 6, **more: str
    ) -> Client:
        client = cls(app, "POST", path, content_type=content_type(version), **more)
        client.version = version
        return client

    def take(self, app: Any, scope: dict[str, Any]) -> asyncio.Future[None]:
        """Have the application answer."""
        return asyncio.ensure_future(app(scope, self.events.get, self.send))

    async def send(self, event: dict[str, Any]) -> None:
        self.sent.append(event)
        self.grown.set()

    def push(self, data: bytes = b"", *, more: bool = True) -> None:
        self.events.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def say(self, *messages: Message, more: bool = True) -> None:
        self.push(encoded(messages, self.version), more=more)

    def end(self) -> None:
        self.push(more=False)

    def disconnect(self) -> None:
        self.events.put_nowait({"type": "http.disconnect"})

    async def heard(self, count: int) -> list[Message]:
        """Wait until so many messages have come beyond those that were read; give them."""
        async with asyncio.timeout(5):
            while len(messages := decoded(self.body, self.version)) < self.read + count:
                self.grown.clear()
                await self.grown.wait()
        new = messages[self.read :]
        self.read = len(messages)
        return new

    async def done(self) -> Client:
        async with asyncio.timeout(5):
            await self.task
        return self

    def stop(self) -> None:
        """Stop the server."""
        self.task.cancel()

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(event["body"] for event in self.sent[1:])

    @property
    def complete(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get("more_body", False)


class Head(NamedTuple):
    """What a request says before its body."""

    method: str
    version: str
    path: str
    headers: list[tuple[bytes, bytes]]

    @property
    def raw_path(self) -> bytes:
        return self.path.encode()

    @property
    def query(self) -> bytes:
        return b""


class CallingClient(Client):
    """One request to an application, by our own server, which calls back."""

    def take(self, app: Any, scope: dict[str, Any]) -> asyncio.Future[None]:
        self.on_body: Callable[[bytes, bool], None] | None = None
        self.early: list[tuple[bytes, bool]] = []
        self.gone = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        head = Head(scope["method"], scope["http_version"], scope["path"], scope["headers"])
        # A server calls back from the loop, never from within a task.
        loop = asyncio.get_running_loop()
        loop.call_soon(Streamed(app.endpoint()).begin, head, self)
        return self.over

    def listen(
        self, on_body: Callable[[bytes, bool], None], on_disconnect: Callable[[], None]
    ) -> None:
        self.on_body, self.on_disconnect = on_body, on_disconnect
        asyncio.get_running_loop().call_soon(self.catch_up)

    def catch_up(self) -> None:
        assert self.on_body is not None
        for data, more in self.early:
            self.on_body(data, more)
        if self.gone:
            self.leave()

    def leave(self) -> None:
        self.on_disconnect()
        self.over.set_result(None)

    def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        head = {"type": "http.response.start", "status": status, "headers": headers}
        self.sent.append(head)
        self.grown.set()

    def proceed(self, piece: bytes, *, more: bool) -> None:
        if self.gone:
            return
        self.sent.append({"type": "http.response.body", "body": piece, "more_body": more})
        self.grown.set()
        if not more:
            self.over.set_result(None)

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.start(status, headers)
        self.proceed(body, more=False)

    def fail(self, error: Exception) -> None:
        self.over.set_exception(error)

    def push(self, data: bytes = b"", *, more: bool = True) -> None:
        if self.on_body is None:
            self.early.append((data, more))
        else:
            asyncio.get_running_loop().call_soon(self.on_body, data, more)

    def stop(self) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        self.gone = True
        if self.on_body is not None:
            asyncio.get_running_loop().call_soon(self.leave)
