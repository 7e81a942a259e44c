"""Services that do what HTTP allows and hardly anybody does: their answers count all the same."""

from __future__ import annotations

import asyncio
import json

import pytest
from h2.errors import ErrorCodes
from remote_world import play, serving
from scripted_service import MANIFEST_TYPE, good, listening, manifest, said, scripted
from test_bad_http1_services import CHUNKED, GOOD, HEAD, Service, chunk

from perdure.protocol.messages import End, Output, Value

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")

MANIFEST = json.dumps(manifest(protocolMode="REQUEST_RESPONSE")).encode()
DISCOVERED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
    % (MANIFEST_TYPE.encode(), len(MANIFEST), MANIFEST)
)
ANSWER = said(Output(Value(b'"good"')), End())


async def hints_before_it_answers(stream):
    await stream.input()
    machine = stream.connection.machine
    for status in ("100", "103"):
        machine.send_headers(stream.id, [(":status", status), ("link", "</style.css>")])
    stream.head()
    stream.say(ANSWER, end=True)


async def ends_with_trailers(stream):
    await stream.input()
    stream.head()
    stream.say(ANSWER)
    stream.connection.machine.send_headers(stream.id, [("x-sum", "1")], end_stream=True)
    stream.connection.flush()


async def answers_before_it_has_read(stream):
    stream.head()
    stream.say(ANSWER, end=True)


async def answers_and_wants_no_more(stream):
    """As RFC 9113 has it (section 8.1): a whole answer, then a reset without an error."""
    stream.head()
    stream.say(ANSWER, end=True)
    stream.reset(ErrorCodes.NO_ERROR)


async def answers_and_resets(stream):
    """The last message has come; how the stream ends after it does not matter."""
    await stream.input()
    stream.head()
    stream.say(ANSWER)
    stream.reset(ErrorCodes.CANCEL)


async def closes_its_side_first(stream):
    await stream.input()
    stream.head()
    stream.say(ANSWER, end=True)
    await stream.ended.wait()


async def answers_byte_by_byte(stream):
    await stream.input()
    stream.head()
    for byte in ANSWER:
        stream.say(bytes([byte]))
        await asyncio.sleep(0)
    stream.say(b"", end=True)


@pytest.mark.parametrize(
    "behaviour",
    [
        hints_before_it_answers,
        ends_with_trailers,
        answers_before_it_has_read,
        answers_and_wants_no_more,
        answers_and_resets,
        closes_its_side_first,
        answers_byte_by_byte,
    ],
    ids=lambda each: each.__name__,
)
@pytest.mark.parametrize("size", [1, 5_000_000])
def test_an_answer_over_http2_counts(behaviour, size):
    async def scenario():
        async with serving() as world, scripted(behaviour) as service:
            await world.registered(service.url)
            for _ in range(3):
                assert (await world.call("/S/h", "x" * size)).json() == "good"
            assert len(service.streams) == 3, "each was asked once"
            service.behaviour = good
            assert (await world.call("/S/h", "x")).json() == "good"
            assert service.connections <= 2, "what it did ended no connection"

    play(scenario())


UNUSUAL = {
    "hints": b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    + CHUNKED
    + chunk(GOOD)
    + b"0\r\n\r\n",
    "a word to go on": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\n" + GOOD,
    "trailers": CHUNKED + chunk(GOOD) + b"0\r\nx-sum: 1\r\n\r\n",
    "extensions of chunks": CHUNKED + b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    "chunks of a byte": CHUNKED + b"".join(chunk(bytes([byte])) for byte in GOOD) + b"0\r\n\r\n",
    "an older version": (HEAD + b"\r\n" + GOOD).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "the end of the connection": HEAD
    + b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(GOOD), GOOD),
    "no words beside the status": (HEAD + b"\r\n" + GOOD).replace(b"200 OK", b"200 "),
    "names in capitals": (HEAD + b"\r\n" + GOOD).replace(b"content-type", b"CONTENT-TYPE"),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_answer_over_http1_counts(name):
    async def scenario():
        asked = []

        class Counted(Service):
            async def serve(self, reader, writer):
                asked.append(writer)
                await super().serve(reader, writer)

        service = Counted(UNUSUAL[name])
        async with serving() as world, listening(service.serve) as port:
            await world.registered(f"http://127.0.0.1:{port}", use_http_11=True)
            for _ in range(3):
                assert (await world.call("/S/h", "x")).json() == "good"
            assert len(asked) <= 4, "each was asked once"

    play(scenario())


def test_an_answer_over_http1_counts_although_the_request_was_not_read():
    """Nobody reads on; what is left of the request goes nowhere, and so does the connection."""
    attempts = 0

    class Impatient(Service):
        async def serve(self, reader, writer):
            nonlocal attempts
            if (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET"):
                writer.write(DISCOVERED)
            else:
                attempts += 1
                writer.write(CHUNKED + chunk(GOOD) + b"0\r\n\r\n")
            writer.write_eof()
            await asyncio.sleep(0.2)
            while await reader.read(65_536):
                pass
            writer.close()

    async def scenario():
        async with serving() as world, listening(Impatient(b"").serve) as port:
            await world.registered(f"http://127.0.0.1:{port}", use_http_11=True)
            for number in range(1, 4):
                assert (await world.call("/S/h", "x" * 5_000_000)).json() == "good"
                assert attempts == number

    play(scenario())
