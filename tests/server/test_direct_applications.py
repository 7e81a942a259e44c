"""Applications that are called back, over both versions of HTTP."""

import asyncio
import contextlib

import httpx
import pytest
from http1_client import GET, POST, get, post, read_response
from open_servers import connected, opened, serving, until

from perdure.protocol.direct_http import DirectApplication

KIB = 1024
MIB = 1024 * KIB
HELD = POST + b"content-length: 5\r\n\r\nhe"


class Desk(DirectApplication):
    """Answers with the body it got, or as the path asks for."""

    def __init__(self):
        #: Clients under ``/wait``, by hand to be answered.
        self.waiting = []
        self.left = asyncio.Event()
        self.begun = 0

    def begin(self, head, client):
        self.begun += 1
        pieces = []

        def take(piece, more):
            pieces.append(piece)
            if more:
                return
            if head.raw_path == b"/wait":
                self.waiting.append(client)
            else:
                client.respond(200, [(b"x-pieces", b"%d" % len(pieces))], b"".join(pieces))

        match head.raw_path:
            case b"/fail":
                raise ValueError("on purpose")
            case b"/refuse":
                client.respond(404, [], b"no")
            case b"/split":
                client.respond(200, [(b"x-bad", b"a\r\nb")], b"")
            case b"/big":
                client.respond(200, [], bytes(8 * MIB))
            case _:
                client.listen(take, self.left.set)


def test_a_body_in_one_piece_is_given_in_one_piece(run):
    async def scenario():
        async with connected(Desk()) as (lobby, reader, writer):
            writer.write(post(b"hello"))
            status, headers, body = await read_response(reader)
            await until(lambda: not lobby.under_way)
            return status, headers["x-pieces"], body

    assert run(scenario) == (200, "1", b"hello")


@pytest.mark.parametrize("http2", [False, True])
def test_bodies_of_any_size_are_given_back(run, http2):
    async def scenario():
        async with opened(Desk()) as door:
            url = f"http://127.0.0.1:{door.address[1]}/echo"
            async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
                sizes = (0, 1, 16 * KIB, 100 * KIB, 2 * MIB)
                answers = [await client.post(url, content=bytes(size)) for size in sizes]
            assert not door._hall._lobby.under_way
            return [len(answer.content) for answer in answers] == list(sizes)

    assert run(scenario)


@pytest.mark.parametrize("http2", [False, True])
def test_who_fails_to_take_a_request_is_excused(run, caplog, http2):
    async def scenario():
        async with opened(Desk()) as door:
            url = f"http://127.0.0.1:{door.address[1]}"
            async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
                answers = [await client.get(f"{url}/{path}") for path in ("fail", "split", "echo")]
            assert not door._hall._lobby.under_way
            return [answer.status_code for answer in answers]

    assert run(scenario) == [500, 500, 200]
    assert "on purpose" in caplog.text


def test_a_refusal_comes_before_the_body(run):
    async def scenario():
        async with connected(Desk()) as (_, reader, writer):
            writer.write(b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe")
            first = await read_response(reader)
            writer.write(b"llo" + post(b"next"))
            return first[0], (await read_response(reader))[2]

    assert run(scenario) == (404, b"next")


def test_a_refusal_of_the_last_request_comes_before_a_body_that_is_there_already(run, caplog):
    async def scenario():
        async with connected(Desk()) as (_, reader, writer):
            head = b"POST /refuse HTTP/1.1\r\nconnection: close\r\ncontent-length: 5\r\n\r\n"
            writer.write(head + b"hello")
            status, _, body = await read_response(reader)
            return status, body, await reader.read()

    assert run(scenario) == (404, b"no", b"")
    assert [each.getMessage() for each in caplog.records] == []


@pytest.mark.parametrize("http2", [False, True])
def test_who_waits_for_a_word_may_be_refused_instead(run, http2):
    async def scenario():
        async with opened(Desk()) as door:
            url = f"http://127.0.0.1:{door.address[1]}/refuse"
            async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
                answer = await client.post(url, content=b"x", headers={"expect": "100-continue"})
            return answer.status_code, answer.content

    assert run(scenario) == (404, b"no")


def test_a_client_that_waits_for_a_word_gets_it(run):
    async def scenario():
        async with connected(Desk()) as (_, reader, writer):
            writer.write(POST + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n")
            invitation = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"hello")
            return invitation, (await read_response(reader))[2]

    assert run(scenario) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"hello")


def test_requests_are_answered_in_their_order(run):
    async def scenario():
        desk = Desk()
        async with connected(desk) as (_, reader, writer):
            writer.write(get(b"/wait") + post(b"first") + post(b"second") + get(b"/refuse"))
            await until(lambda: desk.waiting)
            assert desk.begun == 1
            desk.waiting[0].respond(200, [], b"waited")
            return [(await read_response(reader))[2] for _ in range(4)]

    assert run(scenario) == [b"waited", b"first", b"second", b"no"]


def test_any_number_of_requests_may_wait_for_the_one_before(run, caplog):
    count = 3000

    async def scenario():
        desk = Desk()
        async with connected(desk) as (lobby, reader, writer):
            writer.write(get(b"/wait") + get(b"/refuse") * count)
            await until(lambda: desk.waiting)
            desk.waiting[0].respond(200, [], b"waited")
            bodies = [(await read_response(reader))[2] for _ in range(count + 1)]
            await until(lambda: not lobby.under_way)
            return bodies

    assert run(scenario) == [b"waited", *[b"no"] * count]
    assert not caplog.records


def test_what_is_no_request_is_refused_behind_all_that_waited(run):
    async def scenario():
        desk = Desk()
        async with connected(desk) as (_, reader, writer):
            writer.write(get(b"/wait") + post(b"next") * 5 + b"nonsense\r\n\r\n")
            await until(lambda: desk.waiting)
            desk.waiting[0].respond(200, [], b"waited")
            statuses = [(await read_response(reader))[0] for _ in range(7)]
            return statuses, await reader.read()

    assert run(scenario) == ([*[200] * 6, 400], b"")


def test_no_further_request_is_begun_while_answers_are_not_taken(run):
    async def scenario():
        desk = Desk()
        async with connected(desk) as (lobby, reader, writer):
            writer.write(get(b"/big") * 20)
            await until(lambda: lobby.connections)
            (connection,) = lobby.connections
            await until(lambda: not connection.writable.is_set())
            before = desk.begun
            sizes = [len((await read_response(reader))[2]) for _ in range(20)]
            return before < 5, sizes == [8 * MIB] * 20

    assert run(scenario) == (True, True)


@pytest.mark.parametrize("request_bytes", [HELD, get(b"/wait")])
def test_a_client_that_goes_is_told_of(run, request_bytes):
    async def scenario():
        desk = Desk()
        async with serving(desk) as (lobby, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_bytes)
            await until(lambda: desk.begun)
            writer.transport.abort()
            await desk.left.wait()
            await until(lambda: not lobby.under_way)
            for client in desk.waiting:
                client.respond(200, [], b"too late")

    run(scenario)


def test_what_is_no_request_ends_one_that_was_not_complete(run):
    async def scenario():
        desk = Desk()
        async with connected(desk) as (lobby, reader, writer):
            writer.write(POST + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\nnonsense\r\n")
            status, _, _ = await read_response(reader)
            await until(lambda: not lobby.under_way)
            return status, desk.left.is_set()

    assert run(scenario) == (400, True)


@pytest.mark.parametrize("request_bytes", [HELD, get(b"/wait")])
def test_who_was_not_answered_before_the_end_is_told_to_come_back(run, request_bytes):
    async def scenario():
        desk = Desk()
        async with opened(desk) as door:
            reader, writer = await asyncio.open_connection(*door.address)
            with contextlib.closing(writer):
                writer.write(request_bytes)
                await until(lambda: desk.begun)
                await door.stop(0.01)
                return (await read_response(reader))[0], desk.left.is_set()

    assert run(scenario) == (503, True)


def test_who_is_answered_within_the_grace_gets_the_answer(run):
    async def scenario():
        desk = Desk()
        async with opened(desk) as door:
            reader, writer = await asyncio.open_connection(*door.address)
            with contextlib.closing(writer):
                writer.write(get(b"/wait") + GET)
                await until(lambda: desk.waiting)
                stopping = asyncio.ensure_future(door.stop(10))
                await asyncio.sleep(0)
                desk.waiting[0].respond(200, [], b"just so")
                await stopping
                return (await read_response(reader))[2], await reader.read()

    assert run(scenario) == (b"just so", b"")
