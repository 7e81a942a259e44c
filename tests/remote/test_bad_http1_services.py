"""Services over HTTP/1.1 that break the rules: each costs its attempt, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from remote_world import eventually, play, serving
from scripted_service import MANIFEST_TYPE, TYPE, listening, manifest, said

from perdure.protocol.messages import End, Output, Sleep, Value

GOOD = said(Output(Value(b'"good"')), End())
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: " + TYPE.encode() + b"\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


class Service:
    """Answers discovery, and each attempt with the same bytes until it is mended."""

    def __init__(self, answer: bytes, *, hangs: bool = False) -> None:
        self.answer = answer
        self.hangs = hangs

    def mend(self) -> None:
        self.answer, self.hangs = CHUNKED + chunk(GOOD) + b"0\r\n\r\n", False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"PRI"):
                    writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                    return
                if head.startswith(b"GET"):
                    body = json.dumps(manifest(protocolMode="REQUEST_RESPONSE")).encode()
                    answer = f"HTTP/1.1 200 OK\r\ncontent-type: {MANIFEST_TYPE}\r\n".encode()
                    writer.write(answer + b"content-length: %d\r\n\r\n" % len(body) + body)
                    continue
                await reader.readuntil(b"\r\n0\r\n\r\n")
                writer.write(self.answer)
                await writer.drain()
                if self.hangs:
                    await reader.read()
                return


BAD = {
    "nothing": (b"", "RT0010"),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", "RT0010"),
    "half a head": (HEAD, "RT0010"),
    "headers without end": (HEAD + b"x-more: " + b"y" * 2_000_000, "RT0010"),
    "heads without end": (b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000, "RT0010"),
    "a chunk that is none": (CHUNKED + b"what?\r\n", "RT0010"),
    "half a chunk": (CHUNKED + b"ff\r\nabc", "RT0010"),
    "trailers without end": (CHUNKED + b"0\r\n" + b"x-more: y\r\n" * 200_000, "RT0010"),
    "a trailer without end": (CHUNKED + b"0\r\nx-more: " + b"y" * 2_000_000, "RT0010"),
    "a chunk's extensions without end": (CHUNKED + b"1;" + b"y" * 2_000_000, "RT0010"),
    "less than was said": (HEAD + b"content-length: 100\r\n\r\n" + said(Sleep(1, 1)), "RT0010"),
    "a length that is none": (HEAD + b"content-length: -1\r\n\r\n", "RT0010"),
    "two lengths": (HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx", "RT0010"),
    "an upgrade": (
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "RT0010"),
    "no message": (CHUNKED + b"0\r\n\r\n", "RT0007"),
    "no last message": (CHUNKED + chunk(said(Sleep(1, 1))) + b"0\r\n\r\n", "RT0007"),
    "half a message": (CHUNKED + chunk(GOOD[:-9]) + b"0\r\n\r\n", "RT0012"),
    "an unknown message": (CHUNKED + chunk(b"\x00\x2a" + bytes(6)) + b"0\r\n\r\n", "RT0012"),
    "no content type": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "RT0012"),
    "a page": (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi", "RT0012"),
    "not found": (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "RT0012"),
    "gateway timeout": (b"HTTP/1.1 504 Timeout\r\ncontent-length: 0\r\n\r\n", "RT0010"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_attempt_is_filed_and_tried_again(name):
    answer, doc_code = BAD[name]

    async def scenario():
        service = Service(answer)
        async with serving() as world, listening(service.serve) as port:
            await world.registered(f"http://127.0.0.1:{port}", use_http_11=True)
            invocation = await world.send("/S/h", "x")
            shown = await eventually(
                lambda: world.shown(invocation), lambda each: "last_failure" in each
            )
            assert shown["last_failure_error_code"] == doc_code
            service.mend()
            assert (await world.result(invocation)).json() == "good"

    play(scenario())


def test_a_response_may_end_with_its_connection():
    async def scenario():
        service = Service(HEAD + b"\r\n" + GOOD)
        async with serving() as world, listening(service.serve) as port:
            await world.registered(f"http://127.0.0.1:{port}", use_http_11=True)
            assert (await world.call("/S/h", "x")).json() == "good"

    play(scenario())


def test_what_follows_a_response_is_nobody_s():
    async def scenario():
        service = Service(CHUNKED + chunk(GOOD) + b"0\r\n\r\n" + CHUNKED + chunk(GOOD))
        async with serving() as world, listening(service.serve) as port:
            await world.registered(f"http://127.0.0.1:{port}", use_http_11=True)
            for _ in range(3):
                assert (await world.call("/S/h", "x")).json() == "good"

    play(scenario())


def test_silence_ends_with_the_abort_timeout():
    async def scenario():
        service = Service(CHUNKED, hangs=True)
        async with (
            serving(inactivity_timeout_ms=50, abort_timeout_ms=50) as world,
            listening(service.serve) as port,
        ):
            await world.registered(f"http://127.0.0.1:{port}", use_http_11=True)
            invocation = await world.send("/S/h", "x")
            shown = await eventually(
                lambda: world.shown(invocation), lambda each: "last_failure" in each
            )
            assert shown["last_failure_error_code"] == "RT0001"
            service.mend()
            assert (await world.result(invocation)).json() == "good"

    play(scenario())


def test_a_service_that_speaks_only_http1_is_told_so():
    async def scenario():
        service = Service(b"")
        async with serving() as world, listening(service.serve) as port:
            refused = await world.register(f"http://127.0.0.1:{port}")
            assert refused.status_code == 500
            assert refused.json()["restate_code"] == "META0014"

    play(scenario())


def test_a_service_that_takes_connections_and_says_nothing_is_not_waited_for():
    async def silent(_reader, _writer):
        await asyncio.sleep(60)

    async def scenario():
        async with serving(connect_timeout_ms=100) as world, listening(silent) as port:
            refused = await world.register(f"http://127.0.0.1:{port}")
            assert refused.status_code == 500
            assert refused.json()["restate_code"] == "META0003"
            assert "did not answer within 0.1 s" in refused.json()["message"]

    play(scenario())
