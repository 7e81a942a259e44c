"""What services do that break the rules of HTTP, or of the protocol."""

from __future__ import annotations

from h2.errors import ErrorCodes
from scripted_service import said

from perdure.protocol.messages import End, Output, Sleep, Value
from perdure.transport.http2_frames import FrameType
from perdure.transport.http2_frames import frame as http2_frame

OUTPUT = Output(Value(b'"bad"'))


def saying(*pieces: bytes, end: bool = True):
    """Make a behaviour that answers with bytes, and closes its side or does not."""

    async def behave(stream):
        await stream.input()
        stream.head()
        for piece in pieces:
            stream.say(piece)
        if end:
            stream.say(b"", end=True)

    return behave


def heading(*arguments, **headers):
    """Make a behaviour that answers with a head."""

    async def behave(stream):
        stream.head(*arguments, **headers)
        stream.say(said(OUTPUT, End()), end=True)

    return behave


async def resets(stream):
    await stream.input()
    stream.head()
    stream.say(said(Sleep(1, 1)))
    stream.reset(ErrorCodes.INTERNAL_ERROR)


async def vanishes(stream):
    await stream.input()
    stream.head()
    stream.vanish()


async def never_ends_its_head(stream):
    stream.raw(http2_frame(FrameType.HEADERS, 0, stream.id, b"\x88"))
    for _ in range(1000):
        stream.raw(http2_frame(FrameType.CONTINUATION, 0, stream.id, b"\x00\x01a\x01b" * 100))


async def has_a_head_that_is_too_long(stream):
    for number in range(40):
        stream.raw(
            http2_frame(
                FrameType.HEADERS if not number else FrameType.CONTINUATION,
                0x4 if number == 39 else 0,
                stream.id,
                b"\x00\x01a\x7f\xa1\x0e" + b"b" * 2000,
            )
        )


async def answers_twice(stream):
    await stream.input()
    stream.head()
    stream.raw(http2_frame(FrameType.HEADERS, 0x4, stream.id, b"\x88"))


async def speaks_no_http2(stream):
    stream.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def floods(stream):
    for _ in range(30):
        stream.raw(http2_frame(FrameType.PING, 0, 0, bytes(8)) * 100)


async def sends_empty_pieces(stream):
    stream.head()
    stream.raw(http2_frame(FrameType.DATA, 0, stream.id, b"") * 3000)


async def is_silent(stream):
    await stream.was_reset.wait()
