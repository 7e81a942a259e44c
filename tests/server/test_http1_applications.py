"""Applications that fail, over HTTP/1.1: no client takes that for an answer."""

import json

import pytest
from asgi_applications import proceed, respond, start
from http1_client import GET, read_response
from open_servers import connected


async def fails_before(_scope, _receive, _send):
    raise LookupError("a bug")


async def answers_nothing(_scope, _receive, _send):
    pass


async def begins_only(_scope, _receive, send):
    await start(send)


async def splits_a_header(_scope, _receive, send):
    await respond(send, b"", [(b"x", b"a\r\nset-cookie: b")])


async def sends_strange_things(_scope, _receive, send):
    await send({"type": "http.response.trailers"})


@pytest.mark.parametrize(
    "application",
    [fails_before, answers_nothing, begins_only, splits_a_header, sends_strange_things],
)
def test_a_failing_application_is_answered_for(run, application):
    async def scenario():
        async with connected(application) as (_, reader, writer):
            writer.write(GET + GET)
            status, headers, body = await read_response(reader)
            return status, headers["connection"], json.loads(body)["code"], await reader.read()

    assert run(scenario) == (500, "close", 500, b"")


def test_what_was_not_finished_does_not_look_finished(run):
    async def scenario():
        async def fails_halfway(_scope, _receive, send):
            await start(send)
            await proceed(send, b"half", more=True)
            raise LookupError("a bug")

        async with connected(fails_halfway) as (_, reader, writer):
            writer.write(GET)
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""

    assert not run(scenario).endswith(b"0\r\n\r\n")
