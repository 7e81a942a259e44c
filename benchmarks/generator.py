"""The load generator: keep-alive HTTP/1.1 connections, as few instructions a request as possible.

Reads a ``Load`` from standard input and writes a ``LoadResult`` to standard output. It runs in a
process of its own, so that the time it takes is not the server's.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from typing import NamedTuple, cast

import msgspec
import uvloop
from typing_extensions import override

from benchmarks.latencies import Histogram
from benchmarks.load import Call, Load, LoadError, LoadResult
from benchmarks.processes import cpu_seconds, resident_bytes

HEAD_END = b"\r\n\r\n"
#: The longest silence of a server that still counts as slow rather than broken.
PATIENCE_S = 60


def main() -> None:
    """Run the load that standard input describes."""
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    try:
        result = uvloop.run(run(load))
    except LoadError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(msgspec.json.encode(result))


async def run(load: Load) -> LoadResult:
    """Put the load on the server and measure.

    Raises:
        LoadError: a response was wrong or missing, or a connection broke.
    """
    crowd = Crowd(load)
    await crowd.connect()
    crowd.start()
    await crowd.elapse(load.warm_up_s)
    crowd.measuring = True
    started, before = time.perf_counter(), Spent.by_now(load)
    if load.requests is None:
        await crowd.elapse(load.measure_s)
    else:
        await crowd.finish()
    crowd.measuring = False
    seconds, after = time.perf_counter() - started, Spent.by_now(load)
    await crowd.drain()
    return LoadResult(
        requests=len(crowd.latencies_ns),
        seconds=seconds,
        cpu_s=after.by_all - before.by_all,
        server_cpu_s=after.by_server - before.by_server,
        client_cpu_s=after.by_client - before.by_client,
        resident_bytes=resident_bytes(load.sessions),
        server_resident_bytes=resident_bytes(load.server_sessions),
        latencies=dict(Histogram.of_nanoseconds(crowd.latencies_ns).counts),
        requests_in_all=crowd.answered,
    )


class Spent(NamedTuple):
    """Processor time used so far, in seconds."""

    by_all: float
    by_server: float
    by_client: float

    @classmethod
    def by_now(cls, load: Load) -> Spent:
        """Read the clocks of the processes under load, and of this one."""
        sessions, server_sessions = load.sessions, load.server_sessions
        return cls(cpu_seconds(sessions), cpu_seconds(server_sessions), time.process_time())


class Crowd:
    """All connections of a load, and what they share."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.requests = encode_requests(load)
        self.books: list[list[int]] = [[] for _ in range(load.call.keys)]
        self.latencies_ns: list[int] = []
        self.measuring = False
        self.stopping = False
        self.answered = 0
        #: Requests still to be sent; endless when the load ends by time.
        self.left = sys.maxsize if load.requests is None else load.requests
        self.clients: list[Client] = []
        self.busy = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        """Open all connections.

        Raises:
            LoadError: nobody listens.
        """
        loop = asyncio.get_running_loop()
        port = self.load.port
        for _ in range(self.load.connections):
            try:
                _, client = await loop.create_connection(lambda: Client(self), "127.0.0.1", port)
            except OSError as error:
                raise LoadError(f"no connection to port {port}: {error}") from error
            self.clients.append(client)

    def start(self) -> None:
        """Send the first request on each connection."""
        self.busy = len(self.clients)
        for client in self.clients:
            client.send(time.perf_counter_ns())

    async def elapse(self, seconds: float) -> None:
        """Let the load run for some time.

        Raises:
            LoadError: a response was wrong, or a connection broke.
        """
        await asyncio.wait([self.over], timeout=seconds)
        if self.over.done():
            self.over.result()

    async def finish(self) -> None:
        """Wait until all requests have their response and there are no more to send.

        Raises:
            LoadError: a response was wrong or missing, or a connection broke.
        """
        while not self.over.done():
            answered = self.answered
            await self.elapse(PATIENCE_S)
            if self.answered == answered and not self.over.done():
                raise LoadError(f"{self.busy} requests had no response after {PATIENCE_S} s")
        self.over.result()

    async def drain(self) -> None:
        """Send no more, wait for the responses under way, then check the books.

        Raises:
            LoadError: a response was wrong or missing, or a count was lost or given twice.
        """
        self.stopping = True
        await self.finish()
        for client in self.clients:
            client.transport.close()
        check_books(self.books)

    def draw(self) -> int:
        """Draw the number of the next key."""
        return int(random.random() * len(self.requests))

    def idle(self) -> None:
        """Note that a connection has nothing more to send."""
        self.busy -= 1
        if self.busy == 0 and not self.over.done():
            self.over.set_result(None)

    def fail(self, why: str) -> None:
        """End the load: what comes after a wrong response is worth nothing."""
        self.stopping = True
        if not self.over.done():
            self.over.set_exception(LoadError(why))


class Client(asyncio.Protocol):
    """One connection, with one request under way at a time."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.status = b"HTTP/1.1 %d" % crowd.load.call.status
        response = crowd.load.call.response
        self.expected = None if response is None else response.encode()
        self.counts = crowd.load.call.keys > 0
        self.received = b""
        self.key = 0
        self.sent_ns = 0
        self.transport: asyncio.Transport

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.crowd.over.done():
            self.crowd.fail(f"the server closed a connection: {exc or 'no error'}")

    def send(self, now_ns: int) -> None:
        """Send the next request, unless there is none."""
        crowd = self.crowd
        if crowd.stopping or crowd.left <= 0:
            crowd.idle()
            return
        crowd.left -= 1
        if self.counts:
            self.key = crowd.draw()
        self.sent_ns = now_ns
        self.transport.write(crowd.requests[self.key])

    @override
    def data_received(self, data: bytes) -> None:
        if self.received:
            data = self.received + data
        try:
            body = complete_body(data)
        except LoadError as error:
            self.crowd.fail(str(error))
            return
        if body is None:
            self.received = data
            return
        self.received = b""
        if not data.startswith(self.status) or not self.accepts(body):
            self.crowd.fail(f"wrong response: {data[:400]!r}")
            return
        now_ns = time.perf_counter_ns()
        self.crowd.answered += 1
        if self.crowd.measuring:
            self.crowd.latencies_ns.append(now_ns - self.sent_ns)
        self.send(now_ns)

    def accepts(self, body: bytes) -> bool:
        """Tell whether a body is right; a count goes to the books first."""
        if not self.counts:
            return self.expected is None or body == self.expected
        if not body.isdigit():
            return False
        self.crowd.books[self.key].append(int(body))
        return True


def complete_body(response: bytes) -> bytes | None:
    """Give the body of a response, or None if it has not arrived in full.

    Raises:
        LoadError: the response does not say its length; the servers compared all do.
    """
    head_length = response.find(HEAD_END)
    if head_length < 0:
        return None
    head = response[: head_length + 2].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise LoadError(f"a response without content-length: {response[:400]!r}")
    length = int(head[at + 17 : head.index(b"\r\n", at + 17)])
    body = response[head_length + 4 :]
    return body if len(body) >= length else None


def encode_requests(load: Load) -> list[bytes]:
    """Encode the request of each key; without keys there is one."""
    call = load.call
    names = [f"{load.key_prefix}{number}" for number in range(max(call.keys, 1))]
    return [encode_request(call, call.path.replace("{key}", name)) for name in names]


def encode_request(call: Call, path: str) -> bytes:
    """Encode one request."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1"]
    if call.body:
        lines += ["content-type: application/json", f"content-length: {len(call.body)}"]
    else:
        lines += ["content-length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n" + call.body).encode()


def check_books(books: list[list[int]]) -> None:
    """Check that each key counted from 1 on, without a gap and without a repetition.

    Raises:
        LoadError: a count was lost or given twice.
    """
    for key, counts in enumerate(books):
        if sorted(counts) != list(range(1, len(counts) + 1)):
            raise LoadError(f"key {key} was called {len(counts)} times but counted otherwise")


if __name__ == "__main__":
    main()
