"""A service that says what a test tells it to, over real HTTP/2 or HTTP/1.1.

Discovery is answered as it should be. Each attempt is handed to a behaviour: a coroutine that reads
and writes whatever it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    PingReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError

from perdure.protocol import wire
from perdure.protocol.framing import FrameDecoder
from perdure.protocol.messages import End, Input, Message, Output, Value

VERSION = 6
TYPE = f"application/vnd.restate.invocation.v{VERSION}"
MANIFEST_TYPE = "application/vnd.restate.endpointmanifest.v4+json"


def manifest(*handlers: dict, **changes: object) -> dict:
    """Give a manifest of one service with one handler, or with those given."""
    service = {"name": "S", "ty": "SERVICE", "handlers": [*handlers] or [{"name": "h"}]}
    return {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": VERSION,
        "services": [service],
    } | changes


def said(*messages: Message) -> bytes:
    """Give messages as they travel."""
    return b"".join(wire.encode(message, VERSION) for message in messages)


class Stream:
    """One attempt, as the service sees it."""

    def __init__(self, connection: _Http2, stream_id: int, headers: dict[str, str]) -> None:
        self.connection = connection
        self.headers = headers
        self.id = stream_id
        self.heard: list[Message] = []
        self.ended = asyncio.Event()
        self.reset_code: int | None = None
        self.was_reset = asyncio.Event()
        self._decoder = FrameDecoder()
        self._more = asyncio.Event()

    def take(self, data: bytes) -> None:
        for kind, flags, payload in self._decoder.receive_data(data):
            self.heard.append(wire.decode(kind, flags, payload, VERSION))
        self._more.set()

    async def input(self) -> bytes:
        """Wait for the input of the invocation."""
        while True:
            for message in self.heard:
                if isinstance(message, Input):
                    return message.value.content
            self._more.clear()
            await self._more.wait()

    def head(self, status: int = 200, content_type: str | None = TYPE, **headers: str) -> None:
        fields = [(":status", str(status))]
        if content_type is not None:
            fields.append(("content-type", content_type))
        fields += [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.connection.machine.send_headers(self.id, fields)
        self.connection.flush()

    def say(self, data: bytes, *, end: bool = False) -> None:
        """Send bytes, as far as the windows go; tests that say more wait for them."""
        self.connection.machine.send_data(self.id, data, end_stream=end)
        self.connection.flush()

    async def pour(self, data: bytes) -> None:
        """Send bytes of any number."""
        machine = self.connection.machine
        while data:
            room = min(machine.local_flow_control_window(self.id), machine.max_outbound_frame_size)
            if not room:
                await asyncio.sleep(0.001)
                continue
            self.say(data[:room])
            data = data[room:]

    def reset(self, code: int) -> None:
        self.connection.machine.reset_stream(self.id, code)
        self.connection.flush()

    def raw(self, data: bytes) -> None:
        """Send bytes past HTTP/2."""
        self.connection.writer.write(data)

    def vanish(self) -> None:
        """Lose the connection."""
        self.connection.writer.transport.abort()


Behaviour = Callable[[Stream], Awaitable[None]]


async def good(stream: Stream) -> None:
    """Answer as a service should."""
    await stream.input()
    stream.head()
    stream.say(said(Output(Value(b'"good"')), End()))
    await stream.ended.wait()
    stream.say(b"", end=True)


class ScriptedService:
    """Serves; what it does with attempts can be changed at any time."""

    def __init__(self, behaviour: Behaviour = good) -> None:
        self.behaviour = behaviour
        self.manifest: object = manifest()
        self.discovery_type = MANIFEST_TYPE
        self.discovery_headers: dict[str, str] = {}
        self.settings: dict[int, int] = {}
        self.streams: list[Stream] = []
        self.connections = 0
        self.pinged = asyncio.Event()
        self.port = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        try:
            await _Http2(self, writer).run(reader)
        finally:
            self.writers.discard(writer)
            writer.close()


class _Http2:
    """One connection."""

    def __init__(self, service: ScriptedService, writer: asyncio.StreamWriter) -> None:
        self.service = service
        self.writer = writer
        self.machine = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.streams: dict[int, Stream] = {}

    def flush(self) -> None:
        self.writer.write(self.machine.data_to_send())

    async def run(self, reader: asyncio.StreamReader) -> None:
        self.machine.initiate_connection()
        if self.service.settings:
            self.machine.update_settings(self.service.settings)
        self.flush()
        with contextlib.suppress(OSError, ProtocolError):
            while data := await reader.read(65536):
                for event in self.machine.receive_data(data):
                    self._take(event)
                self.flush()
        for stream in self.streams.values():
            stream.was_reset.set()

    def _take(self, event: object) -> None:
        match event:
            case RequestReceived():
                headers = dict(event.headers)
                if headers[":path"].endswith("/discover"):
                    self.service.discovery_headers = headers
                    self._answer_discovery(event.stream_id)
                    return
                stream = self.streams[event.stream_id] = Stream(self, event.stream_id, headers)
                self.service.streams.append(stream)
                self.service.spawn(self._behave(stream))
            case DataReceived():
                self.machine.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
                self.streams[event.stream_id].take(event.data)
            case PingReceived():
                self.service.pinged.set()
            case StreamEnded() if event.stream_id in self.streams:
                self.streams[event.stream_id].ended.set()
            case StreamReset() if event.stream_id in self.streams:
                stream = self.streams[event.stream_id]
                stream.reset_code = event.error_code
                stream.was_reset.set()

    async def _behave(self, stream: Stream) -> None:
        # The server may be gone, or have reset the stream: that is what some tests are about.
        with contextlib.suppress(ProtocolError):
            await self.service.behaviour(stream)

    def _answer_discovery(self, stream_id: int) -> None:
        given = self.service.manifest
        body = given if isinstance(given, bytes) else json.dumps(given).encode()
        head = [(":status", "200"), ("content-type", self.service.discovery_type)]
        self.machine.send_headers(stream_id, head)
        self.machine.send_data(stream_id, body, end_stream=True)


@contextlib.asynccontextmanager
async def scripted(behaviour: Behaviour = good) -> AsyncIterator[ScriptedService]:
    """Run a service for as long as the context lasts."""
    service = ScriptedService(behaviour)
    async with listening(service.serve) as port:
        service.port = port
        try:
            yield service
        finally:
            for task in service.tasks:
                task.cancel()
            await asyncio.gather(*service.tasks, return_exceptions=True)
            for writer in service.writers:
                writer.transport.abort()


@contextlib.asynccontextmanager
async def listening(serve: Callable[..., Awaitable[None]]) -> AsyncIterator[int]:
    """Serve connections for as long as the context lasts; give the port."""
    tasks: set[asyncio.Task] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
