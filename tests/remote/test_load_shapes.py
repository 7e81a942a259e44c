"""Shapes of load: many streams at once, many wake-ups at once, and much in one piece."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time

from remote_world import play, serving
from scripted_service import good, manifest, said, scripted

from perdure.protocol.messages import (
    Completion,
    End,
    Future,
    Output,
    Sleep,
    Suspension,
    Value,
)

STREAMS = 1000
SLEEPERS = 500
LARGE = 30 * 1024 * 1024
BINARY = {"content-type": "application/octet-stream"}


async def pipelined(world, requests: list[bytes], pattern: bytes) -> list[str]:
    """Make all requests on one connection; find so many matches in the responses, in order."""
    host, port = world.runtime.ingress_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(requests))
    heard = b""
    while len(found := re.findall(pattern, heard)) < len(requests):
        chunk = await reader.read(1024 * 1024)
        assert chunk, heard[-1000:]
        heard += chunk
    writer.close()
    await writer.wait_closed()
    return [each.decode() for each in found]


async def send_all(world, count: int, value: object) -> list[str]:
    """Start so many invocations; give their ids."""
    body = str(value).encode()
    head = b"POST /S/h/send HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n"
    request = head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    return await pipelined(world, [request] * count, rb'"invocationId":\s*"(inv_\w+)"')


async def results(world, ids: list[str], result: bytes) -> list[str]:
    """Wait for the results of all."""
    line = "GET /restate/invocation/{}/attach HTTP/1.1\r\nhost: h\r\n\r\n"
    return await pipelined(world, [line.format(each).encode() for each in ids], result)


def test_a_thousand_streams_to_one_service_are_open_at_the_same_time():
    async def scenario():
        all_open = asyncio.Event()
        waiting = 0

        async def waits_for_all(stream):
            nonlocal waiting
            await stream.input()
            waiting += 1
            if waiting == STREAMS:
                all_open.set()
            await all_open.wait()
            await good(stream)

        async with serving() as world, scripted(waits_for_all) as service:
            service.settings = {3: 128}
            await world.registered(service.url)
            ids = await send_all(world, STREAMS, 1)
            assert await results(world, ids, b"good") == ["good"] * STREAMS
            assert len(service.streams) == STREAMS, "none was tried twice"
            assert service.connections <= STREAMS // 100

    play(scenario())


async def sleeps_until_input(stream):
    """Sleep until the moment that the input names, suspended meanwhile."""
    at_ms = int(await stream.input())
    stream.head()
    if any(isinstance(message, Completion) for message in stream.heard):
        stream.say(said(Output(Value(b'"awake"')), End()), end=True)
    elif any(isinstance(message, Sleep) for message in stream.heard):
        stream.say(said(Suspension(Future((1,), (1,)))), end=True)
    else:
        stream.say(said(Sleep(at_ms, 1), Suspension(Future((1,), (1,)))), end=True)


def test_many_suspended_invocations_are_woken_at_the_same_moment():
    async def scenario():
        async with serving() as world, scripted(sleeps_until_input) as service:
            service.manifest = manifest({"name": "h", "inactivityTimeout": 0})
            await world.registered(service.url)
            at_ms = round(time.time() * 1000) + 2000
            ids = await send_all(world, SLEEPERS, at_ms)
            assert await results(world, ids, b"awake") == ["awake"] * SLEEPERS
            assert time.time() * 1000 >= at_ms
            assert len(service.streams) == 2 * SLEEPERS, "each was suspended, and went on once"

    play(scenario())


def test_a_large_payload_goes_there_and_back_while_others_are_served():
    payload = hashlib.sha256(b"large").digest() * (LARGE // 32)

    async def echoes(stream):
        given = await stream.input()
        if len(given) < LARGE:
            await good(stream)
            return
        stream.head()
        await stream.pour(said(Output(Value(given)), End()))
        stream.say(b"", end=True)

    async def scenario():
        async with serving() as world, scripted(echoes) as service:
            await world.registered(service.url)
            url = f"{world.runtime.ingress_url}/S/h"
            large = asyncio.ensure_future(world.client.post(url, content=payload, headers=BINARY))
            while not large.done():
                assert (await world.call("/S/h", "small")).json() == "good"
                await asyncio.sleep(0.05)
            answer = await large
            assert answer.status_code == 200
            assert answer.content == payload

    play(scenario())


def test_a_payload_beyond_the_limit_is_refused_at_the_door():
    async def scenario():
        async with serving(request_bytes_limit=1000) as world, scripted() as service:
            await world.registered(service.url)
            assert (await world.call("/S/h", "x" * 900)).status_code == 200
            assert (await world.call("/S/h", "x" * 1100)).status_code == 413

    play(scenario())
