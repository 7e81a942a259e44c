"""Services that break the rules: each costs its attempt, under the documented code, and no more."""

from __future__ import annotations

import asyncio
import random
import struct

import pytest
from bad_behaviours import (
    OUTPUT,
    answers_twice,
    floods,
    has_a_head_that_is_too_long,
    heading,
    is_silent,
    never_ends_its_head,
    resets,
    saying,
    sends_empty_pieces,
    speaks_no_http2,
    vanishes,
)
from h2.errors import ErrorCodes
from remote_world import eventually, play, serving
from scripted_service import TYPE, good, manifest, said, scripted

from perdure.protocol.framing import FLAG_ACK, frame
from perdure.protocol.messages import (
    Call,
    CompleteAwakeable,
    Completion,
    CompletionKind,
    End,
    Error,
    Future,
    Output,
    SetState,
    Sleep,
    Start,
    Suspension,
    Value,
    Void,
)
from perdure.transport import farewells
from perdure.transport.http2_frames import FrameType
from perdure.transport.http2_frames import frame as http2_frame

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")

LIMIT = 1024 * 1024


def failing_call(**changes) -> bytes:
    call = {"service_name": "S", "handler_name": "h", "parameter": b"", "headers": (), "key": ""}
    ids = {"invocation_id_notification_idx": 1, "result_completion_id": 2}
    return said(Call(**(call | ids | changes)))


def nested(levels: int) -> bytes:
    """Write a future that nests, as the newest version of the protocol can."""
    body = b"\x0a\x01\x01"
    for _ in range(levels):
        body = b"\x22" + _length(len(body)) + body
    return body


def _length(number: int) -> bytes:
    """Write a number as protobuf does."""
    if number < 0x80:
        return bytes([number])
    return bytes([number & 0x7F | 0x80]) + _length(number >> 7)


BAD = {
    "a future without bottom": (saying(frame(0x0006, 0, nested(300))), "RT0012"),
    "nothing": (saying(), "RT0007"),
    "no last message": (saying(said(Sleep(1, 1))), "RT0007"),
    "half a message": (saying(said(OUTPUT)[:-1]), "RT0012"),
    "half a header": (saying(b"\x04\x01\x00"), "RT0012"),
    "fields that cannot be read": (saying(frame(0x0401, 0, b"\xff\xff\xff")), "RT0012"),
    "text that is no Unicode": (saying(frame(0x0002, 0, b"\x12\x02\xff\xfe")), "RT0012"),
    "an unknown control message": (saying(frame(0x002A, 0, b"")), "RT0012"),
    "an unknown command": (saying(frame(0x04FF, 0, b"")), "RT0012"),
    "a custom message": (saying(frame(0xFC00, 0, b"")), "RT0012"),
    "a message that is too long": (saying(struct.pack(">HHI", 0x0401, 0, LIMIT)), "RT0003"),
    "a length without end": (saying(struct.pack(">HHI", 0x0401, 0, 2**32 - 1)), "RT0003"),
    "a message of a server": (
        saying(said(Start(bytes(24), "inv", 1, (), False, "", 0, 0, 0))),
        "RT0012",
    ),
    "a notification": (saying(said(Completion(CompletionKind.SLEEP, 1, Void()))), "RT0012"),
    "an end without an output": (saying(said(End())), "RT0012"),
    "a suspension on nothing": (saying(said(Suspension(Future()))), "RT0012"),
    "a proposal without a result": (saying(frame(0x0005, FLAG_ACK, b"\x08\x01")), "RT0012"),
    "state of a plain service": (saying(said(SetState(b"k", Value(b"v")))), "RT0017"),
    "a call of nobody": (saying(failing_call(service_name="Nobody")), "RT0018"),
    "a call with a key too much": (saying(failing_call(key="k")), "RT0017"),
    "a call without idempotency": (saying(failing_call(idempotency_key="")), "RT0017"),
    "an awakeable that is none": (saying(said(CompleteAwakeable("nix", Value(b"")))), "RT0012"),
    "an error": (saying(said(Error(500, "no"))), "RT0007"),
    "an error with a code of HTTP": (saying(said(Error(413, "no"))), "RT0007"),
    "a mismatch": (saying(said(Error(570, "no"))), "RT0016"),
    "a broken protocol": (saying(said(Error(571, "no"))), "RT0012"),
    "an error with a code of its own": (saying(said(Error(2**31, "no"))), "RT0007"),
    "no content type": (heading(200, None), "RT0012"),
    "another content type": (heading(200, "application/json"), "RT0012"),
    "another version": (heading(200, TYPE[:-1] + "5"), "RT0012"),
    "not found": (heading(404, None), "RT0012"),
    "unauthorised": (heading(401, None), "RT0012"),
    "an unsupported version": (heading(415, None), "RT0015"),
    "too large": (heading(413, None), "RT0019"),
    "too often": (heading(429, None), "RT0023"),
    "too often, until the end of time": (
        heading(429, None, retry_after="Wed, 1 Jan 2700000000 01:01:01 +0000"),
        "RT0023",
    ),
    "a bad gateway": (heading(502, None), "RT0010"),
    "a redirection": (heading(302, None, location="/"), "RT0012"),
    "a reset": (resets, "RT0010"),
    "a connection that breaks": (vanishes, "RT0010"),
    "a head without end": (never_ends_its_head, "RT0010"),
    "a head that is too long": (has_a_head_that_is_too_long, "RT0010"),
    "a second head": (answers_twice, "RT0010"),
    "HTTP/1.1": (speaks_no_http2, "RT0010"),
    "a flood of pings": (floods, "RT0010"),
    "a flood of nothing": (sends_empty_pieces, "RT0010"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_attempt_is_filed_and_tried_again(name):
    behaviour, doc_code = BAD[name]

    async def scenario():
        async with serving(message_bytes_limit=LIMIT) as world, scripted(behaviour) as service:
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            shown = await eventually(
                lambda: world.shown(invocation), lambda each: "last_failure" in each
            )
            assert shown["last_failure_error_code"] == doc_code
            service.behaviour = good
            assert (await world.result(invocation)).json() == "good"

    play(scenario())


def test_what_follows_the_last_message_does_not_count():
    async def scenario():
        behaviour = saying(said(Output(Value(b'"first"')), End(), OUTPUT, End()) + b"nonsense")
        async with serving() as world, scripted(behaviour) as service:
            await world.registered(service.url)
            assert (await world.call("/S/h", "x")).json() == "first"
            assert len(service.streams) == 1

    play(scenario())


def test_of_two_outputs_the_last_one_counts():
    async def scenario():
        behaviour = saying(said(OUTPUT, Output(Value(b'"last"')), End()))
        async with serving() as world, scripted(behaviour) as service:
            await world.registered(service.url)
            assert (await world.call("/S/h", "x")).json() == "last"

    play(scenario())


def test_a_service_that_does_not_close_its_side_is_left(monkeypatch):
    monkeypatch.setattr(farewells, "FAREWELL_S", 0.1)

    async def scenario():
        behaviour = saying(said(Output(Value(b"1")), End()), end=False)
        async with serving() as world, scripted(behaviour) as service:
            await world.registered(service.url)
            assert (await world.call("/S/h", "x")).json() == 1
            (stream,) = service.streams
            await asyncio.wait_for(stream.was_reset.wait(), 10)
            assert stream.ended.is_set(), "our side was closed first"
            assert stream.reset_code == ErrorCodes.CANCEL

    play(scenario())


def test_silence_ends_with_the_abort_timeout_and_a_late_answer_is_nobody_s():
    """The service first says nothing; what it says to the old attempt afterwards is dropped."""

    async def scenario():
        async with serving() as world, scripted(is_silent) as service:
            service.manifest = manifest({"name": "h", "inactivityTimeout": 50, "abortTimeout": 50})
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            shown = await eventually(
                lambda: world.shown(invocation), lambda each: "last_failure" in each
            )
            assert shown["last_failure_error_code"] == "RT0001"
            old = service.streams[0]
            assert old.ended.is_set(), "it was asked to suspend first"

            async def answers_late(stream):
                await stream.input()
                head = b"\x88\x0f\x10" + bytes([len(TYPE)]) + TYPE.encode()
                old.raw(http2_frame(FrameType.HEADERS, 0x4, old.id, head))
                old.raw(http2_frame(FrameType.DATA, 0x1, old.id, said(OUTPUT, End())))
                await good(stream)

            service.behaviour = answers_late
            assert (await world.result(invocation)).json() == "good"

    play(scenario())


def test_a_service_that_never_opens_its_window_is_left():
    async def scenario():
        async with serving() as world, scripted(is_silent) as service:
            service.settings = {4: 0}
            service.manifest = manifest({"name": "h", "inactivityTimeout": 50, "abortTimeout": 50})
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x" * 100_000)
            shown = await eventually(
                lambda: world.shown(invocation), lambda each: "last_failure" in each
            )
            assert shown["last_failure_error_code"] == "RT0001"

    play(scenario())


def test_a_service_that_is_busy_names_the_moment_to_ask_again():
    async def scenario():
        async with serving() as world, scripted(heading(503, None, retry_after="1")) as service:
            await world.registered(service.url)
            asked = asyncio.get_running_loop().time()
            invocation = await world.send("/S/h", "x")
            await eventually(lambda: world.shown(invocation), lambda each: "last_failure" in each)
            service.behaviour = good
            assert (await world.result(invocation)).json() == "good"
            assert asyncio.get_running_loop().time() - asked >= 1
            assert len(service.streams) == 2

    play(scenario())


def test_retries_that_are_exhausted_pause_the_invocation_or_end_it():
    async def scenario():
        async with serving() as world, scripted(vanishes) as service:
            policy = {"retryPolicyMaxAttempts": 2}
            service.manifest = manifest(
                {"name": "h"} | policy,
                {"name": "g", "retryPolicyOnMaxAttempts": "KILL"} | policy,
            )
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            await eventually(lambda: world.status(invocation), "paused")
            killed = await world.call("/S/g", "x")
            assert killed.status_code == 500
            assert "error when calling" in killed.json()["message"]

    play(scenario())


def test_many_bad_attempts_leave_others_alone():
    """Invocations of a good handler go on while another handler breaks their connections."""

    async def scenario():
        async def mixed(stream):
            if await stream.input() == b'"bad"':
                await vanishes(stream)
            else:
                await good(stream)

        async with serving() as world, scripted(mixed) as service:
            await world.registered(service.url)
            stuck = [await world.send("/S/h", "bad") for _ in range(5)]
            answers = await asyncio.gather(*(world.call("/S/h", "fine") for _ in range(100)))
            assert {answer.json() for answer in answers} == {"good"}
            service.behaviour = good
            assert [(await world.result(each)).json() for each in stuck] == ["good"] * 5

    play(scenario())


def test_a_key_that_is_too_long_for_a_header_breaks_nothing():
    """Python's h2, like others, ends a connection on which a head of 64 KiB arrives."""

    async def scenario():
        gate = asyncio.Event()

        async def waits(stream):
            if await stream.input() == b'"wait"':
                await gate.wait()
            await good(stream)

        async def begun() -> int:
            return len(service.streams)

        async with serving() as world, scripted(waits) as service:
            object_ = {"name": "O", "ty": "VIRTUAL_OBJECT", "handlers": [{"name": "h"}]}
            service.manifest = manifest(services=[object_])
            await world.registered(service.url)
            waiting = asyncio.ensure_future(world.call("/O/k/h", "wait"))
            await eventually(begun, 1)
            long = "ä" * 10_900
            assert (await world.call(f"/O/{long}/h", "x")).json() == "good"
            gate.set()
            assert (await waiting).json() == "good"
            assert len(service.streams) == 2
            assert service.streams[0].headers["x-restate-service-key"] == "k"
            assert [each.key for each in service.streams[1].heard if isinstance(each, Start)] == [
                long
            ]

    play(scenario())


def test_bytes_thrown_at_a_connection():
    """Frames and bytes by chance, dozens of attempts long; then the service comes to its senses."""
    chance = random.Random(7)

    async def throws(stream):
        for _ in range(chance.randrange(1, 8)):
            payload = chance.randbytes(chance.choice([0, 4, 8, 40, 3000]))
            kind = chance.choice(list(FrameType))
            where = chance.choice([0, stream.id, stream.id, stream.id + 2])
            thrown = http2_frame(kind, chance.randrange(256), where, payload)
            stream.raw(thrown if chance.random() < 0.9 else payload)
        await asyncio.sleep(0.02)
        stream.vanish()

    async def scenario():
        async with serving() as world, scripted(throws) as service:
            await world.registered(service.url)
            ids = [await world.send("/S/h", "x") for _ in range(10)]

            async def attempts():
                return len(service.streams)

            await eventually(attempts, lambda count: count >= 60)
            service.behaviour = good
            assert [(await world.result(each)).json() for each in ids] == ["good"] * 10

    play(scenario())


@pytest.mark.parametrize("asks", ["retry-after", "error"])
def test_a_service_that_always_wants_to_be_asked_again_at_once_keeps_nobody_busy(asks):
    async def wants_more(stream):
        await stream.input()
        if asks == "retry-after":
            stream.head(429, None, retry_after="0")
        else:
            stream.head()
            stream.say(said(Error(500, "again", next_retry_delay=0)), end=True)

    async def scenario():
        async with serving() as world, scripted(wants_more) as service:
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            began = asyncio.get_running_loop().time()

            async def attempts() -> int:
                return len(service.streams)

            await eventually(attempts, lambda count: count >= 20)
            # The delays before them: 0, 1, 2 and so on, in milliseconds; clocks round.
            assert asyncio.get_running_loop().time() - began >= sum(range(19)) / 2000
            service.behaviour = good
            assert (await world.result(invocation)).json() == "good"

    play(scenario())
