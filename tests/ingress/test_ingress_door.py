"""The ingress behind a real door: what only a socket can show."""

import asyncio
import contextlib

from ingress_support import MemoryEngine

from perdure.ingress.app import Ingress
from perdure.ingress.watching import UNWATCHED_S
from perdure.protocol.messages import Value
from perdure.server.doors import Door, bind

DEADLINE_S = 20
BODY = b'"x"'


def request(path, body=BODY, extra=b""):
    return (
        b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n%b\r\n%b" % (path, len(body), extra, body)
    )


async def read_response(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:-2])
    return int(lines[0].split()[1]), await reader.readexactly(int(headers["content-length"]))


def talk(scenario, **options):
    """Run a scenario with an engine, a door to it, and one connection."""

    async def run():
        engine = MemoryEngine()
        door = Door(Ingress(engine, **options), bind("127.0.0.1", 0, "--port"))
        await door.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        with contextlib.closing(writer):
            result = await asyncio.wait_for(scenario(engine, reader, writer), DEADLINE_S)
        await door.stop(0)
        return result

    return asyncio.run(run())


def test_calls_follow_each_other_on_one_connection():
    async def scenario(_engine, reader, writer):
        responses = []
        for number in range(3):
            writer.write(request(b"/Greeter/greet", b'"%d"' % number))
            responses.append(await read_response(reader))
        return responses

    assert talk(scenario) == [(200, b'"0"'), (200, b'"1"'), (200, b'"2"')]


def test_calls_may_be_sent_before_their_answers_are_read():
    async def scenario(_engine, reader, writer):
        writer.write(b"".join(request(b"/Greeter/greet", b'"%d"' % n) for n in range(3)))
        return [await read_response(reader) for _ in range(3)]

    assert talk(scenario) == [(200, b'"0"'), (200, b'"1"'), (200, b'"2"')]


def test_a_client_that_hangs_up_is_no_longer_waited_for():
    async def scenario(engine, _reader, writer):
        writer.write(request(b"/Greeter/slow"))
        await engine.has_accepted.wait()
        writer.close()
        await engine.has_forgotten.wait()
        (outcome,) = engine.outcomes.values()
        return outcome.done()

    assert talk(scenario) is False


def test_a_watched_call_is_still_answered():
    async def scenario(engine, reader, writer):
        writer.write(request(b"/Greeter/slow"))
        await engine.has_accepted.wait()
        # Longer than a call goes unwatched, so that somebody listens to the client by now.
        await asyncio.sleep(UNWATCHED_S * 1.2)
        (invocation_id,) = engine.invocations
        engine.finish(invocation_id, Value(b'"done"'))
        first = await read_response(reader)
        writer.write(request(b"/Greeter/greet", b'"next"'))
        return first, await read_response(reader)

    assert talk(scenario) == ((200, b'"done"'), (200, b'"next"'))


def test_a_body_over_the_limit_does_not_cost_the_connection():
    async def scenario(_engine, reader, writer):
        writer.write(request(b"/Greeter/greet", b"x" * 300_000))
        refused = await read_response(reader)
        writer.write(request(b"/Greeter/greet", b'"next"'))
        return refused[0], await read_response(reader)

    assert talk(scenario, body_bytes_max=1000) == (413, (200, b'"next"'))


def test_a_body_in_many_pieces_arrives_whole():
    async def scenario(_engine, reader, writer):
        body = b'"%b"' % (b"x" * 1_000_000)
        writer.write(request(b"/Greeter/greet", body))
        return (await read_response(reader))[1] == body

    assert talk(scenario)


def test_an_offer_to_upgrade_is_ignored():
    async def scenario(_engine, reader, writer):
        upgrade = b"connection: upgrade\r\nupgrade: h2c\r\n"
        writer.write(request(b"/Greeter/greet", b'"a"', upgrade))
        first = await read_response(reader)
        writer.write(request(b"/Greeter/greet", b'"b"'))
        return first, await read_response(reader)

    assert talk(scenario) == ((200, b'"a"'), (200, b'"b"'))
