"""Values on their way to the journal, through a codec that never writes a value twice alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from scripted_server import MANIFEST, NOW_MS, Server, until

from perdure.protocol.messages import (
    Call,
    CompletePromise,
    Completion,
    CompletionKind,
    Failure,
    GetEagerState,
    OneWayCall,
    SendSignal,
    SetState,
    Signal,
    Sleep,
    Start,
    Value,
)
from perdure.sdk.app import app
from perdure.sdk.client import RestateClient
from perdure.sdk.context import ObjectContext
from perdure.sdk.errors import DefinitionError, TerminalError
from perdure.sdk.exchanges import Request, Response, coded
from perdure.sdk.host import Host
from perdure.sdk.journal_codec import CodecSource, JournalValueCodec, values_of, with_values
from perdure.sdk.services import Service, VirtualObject


class Sealed(JournalValueCodec):
    """Turns bytes round, behind a number that is another one each time."""

    def __init__(self) -> None:
        self.sealed = 0

    def encode(self, buf: bytes) -> bytes:
        self.sealed += 1
        return b"%d:%s" % (self.sealed, buf[::-1])

    async def decode(self, buf: bytes) -> bytes:
        await asyncio.sleep(0)
        number, mark, content = buf.partition(b":")
        if not mark or not number.isdigit():
            raise ValueError("not sealed")
        return content[::-1]


def host(handler: Callable[..., Any], codec: Any) -> Host:
    """Host one function as the exclusive handler ``S/run`` of a virtual object."""
    definition = VirtualObject("S")
    definition.handler("run")(handler)
    return Host([definition], MANIFEST, now_ms=lambda: NOW_MS, codec=CodecSource(codec))


async def many(ctx: ObjectContext, name: str) -> str:
    """Use values of all kinds, and wait in between."""
    before = await ctx.get("seen", type_hint=str)
    ctx.set("seen", name)
    step = await ctx.run_typed("step", lambda: f"step of {name}")
    await ctx.sleep(timedelta(seconds=1))
    answer = await ctx.generic_call("Other", "greet", b'"parameter"')
    _, awakeable = ctx.awakeable()
    ctx.resolve_awakeable("sign_1abc", "told")
    return f"{before} {step} {answer.decode()} {await awakeable}"


async def played(server: Server, codec: Sealed, *, anew: bool) -> None:
    """Answer what :func:`many` waits for; lose each attempt that waits, if told to."""

    async def waiting_for(kind: type) -> None:
        await until(lambda: any(isinstance(entry, kind) for entry in server.journal))
        if anew:
            server.abandon()

    def goes_on() -> None:
        if anew:
            server.run()

    await waiting_for(Sleep)
    server.complete(Sleep, 0)
    goes_on()
    await waiting_for(Call)
    server.complete(Call, 0, Value(codec.encode(b"answer")))
    goes_on()
    await until(lambda: server.said_of(type(server.journal[-1])) and server.announced)
    server.signal(17, Value(codec.encode(b'"signalled"')))
    await until(lambda: server.ended or server.error)


@pytest.mark.parametrize("anew", [False, True])
async def test_the_handler_sees_values_and_the_journal_what_the_codec_made_of_them(anew):
    codec = Sealed()
    state = ((b"seen", codec.encode(b'"before"')),)
    server = Server(host(many, codec), codec.encode(b'"Ada"'), start={"state_map": state})
    server.run()
    await played(server, codec, anew=anew)
    assert server.error is None
    assert await codec.decode(server.outcome) == b'"before step of Ada answer signalled"'
    held = [value for entry in server.journal for value in values_of(entry)]
    opened = [await codec.decode(value) for value in held]
    assert b'"step of Ada"' in opened
    assert b'"parameter"' in opened
    assert b'"told"' in opened
    assert len(opened) == 9


async def test_an_input_that_is_not_encoded_is_refused_for_good():
    server = Server(host(many, Sealed()), b'"Ada"').run()
    await until(lambda: server.ended)
    assert server.outcome.code == 400
    assert "ValueError('not sealed')" in server.outcome.message
    assert "Callers have to use the journal value codec" in server.outcome.message


async def test_an_input_that_was_decoded_once_fails_an_attempt_and_no_more():
    """What was read before is not the caller's fault: a key may be missing."""
    codec = Sealed()
    journal = [SetState(b"seen", Value(codec.encode(b'"Ada"')))]
    server = Server(host(many, codec), b'"Ada"', journal=journal).run()
    await until(lambda: server.error)
    assert server.error.code == 500
    assert "cannot decode what the journal holds" in server.error.message


async def test_state_that_cannot_be_decoded_fails_an_attempt():
    codec = Sealed()
    state = ((b"seen", b"plain"),)
    server = Server(host(many, codec), codec.encode(b'"Ada"'), start={"state_map": state}).run()
    await until(lambda: server.error)
    assert "not sealed" in server.error.message


async def test_what_cannot_be_encoded_fails_an_attempt():
    class Reader(Sealed):
        def encode(self, buf: bytes) -> bytes:
            raise RuntimeError("no key to write with")

    async def handler(ctx: ObjectContext, name: str) -> str:
        return name

    server = Server(host(handler, Reader()), b'1:"adA"').run()
    await until(lambda: server.error)
    assert "no key to write with" in server.error.message


async def test_failures_pass_as_they_are():
    async def handler(ctx: ObjectContext, name: str) -> str:
        raise TerminalError("plain words", 418)

    codec = Sealed()
    server = Server(host(handler, codec), codec.encode(b'"Ada"')).run()
    await until(lambda: server.ended)
    assert server.outcome == Failure(418, "plain words")


async def test_a_handler_without_input_ignores_what_it_got():
    async def handler(ctx: ObjectContext) -> str:
        return "done"

    codec = Sealed()
    server = Server(host(handler, codec), b"").run()
    await until(lambda: server.ended)
    assert await codec.decode(server.outcome) == b'"done"'


async def test_an_attempt_may_end_while_its_journal_is_decoded():
    stuck = asyncio.Event()

    class Slow(Sealed):
        async def decode(self, buf: bytes) -> bytes:
            stuck.set()
            await asyncio.Event().wait()
            raise AssertionError

    server = Server(host(many, Slow()), b'1:"adA"').run()
    await stuck.wait()
    attempt = server.attempt
    server.abandon()
    attempt.receive([Signal(17, Value(b"1:"))])
    attempt.close_input()
    await asyncio.sleep(0)
    assert server.said == []


async def test_the_end_of_input_comes_after_the_journal():
    codec = Sealed()
    state = ((b"seen", codec.encode(b'"before"')),)
    server = Server(host(many, codec), codec.encode(b'"Ada"'), start={"state_map": state})
    server.run(request_response=True)
    await until(lambda: server.suspended_on)
    assert any(isinstance(entry, SetState) for entry in server.journal)


async def test_a_provider_is_asked_once_and_again_if_it_fails():
    asked = []
    codec = Sealed()

    async def provider() -> JournalValueCodec:
        asked.append(len(asked))
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise ConnectionError("no key server")
        return codec

    async def handler(ctx: ObjectContext, name: str) -> str:
        return name

    hosted = host(handler, provider)
    first = Server(hosted, codec.encode(b'"Ada"')).run()
    await until(lambda: first.error)
    assert "no key server" in first.error.message
    together = [Server(hosted, codec.encode(b'"Ada"')).run() for _ in range(3)]
    together[0].abandon()
    await until(lambda: all(server.ended for server in together[1:]))
    assert asked == [0, 1]


async def test_a_provider_that_gives_no_codec_is_named():
    async def provider() -> Any:
        return "aes"

    server = Server(host(many, provider), b"").run()
    await until(lambda: server.error)
    assert "gave 'aes'" in server.error.message


@pytest.mark.parametrize("wrong", [Sealed, "aes", 7])
def test_what_is_no_codec_is_refused_when_the_application_is_made(wrong):
    with pytest.raises(DefinitionError, match="instance of a JournalValueCodec, or an async"):
        app([Service("S")], journal_value_codec=wrong)


@pytest.mark.parametrize(
    ("message", "values"),
    [
        (Start(b"", "", 1, state_map=((b"a", b"1"), (b"b", b"2"))), [b"1", b"2"]),
        (SetState(b"k", Value(b"1")), [b"1"]),
        (GetEagerState(b"k", Value(b"1")), [b"1"]),
        (CompletePromise("p", Value(b"1"), 1), [b"1"]),
        (Call("S", "run", b"1", 1, 2), [b"1"]),
        (OneWayCall("S", "run", b"", 1), [b""]),
        (SendSignal("inv_1", "s", Value(b"1")), [b"1"]),
        (Completion(CompletionKind.CALL, 1, Value(b"1")), [b"1"]),
        (Completion(CompletionKind.CALL, 1, Failure(500, "no")), []),
        (Sleep(5, 1), []),
    ],
)
def test_values_are_found_in_messages_and_put_back(message, values):
    assert values_of(message) == values
    changed = with_values(message, [b"x" + value for value in values])
    assert values_of(changed) == [b"x" + value for value in values]
    assert with_values(changed, values) == message


async def test_the_client_encodes_what_it_sends_and_decodes_what_it_gets():
    codec = Sealed()
    asked: list[Request] = []
    answers = [
        Response(status=200, headers={}, body=codec.encode(b'"Hello"')),
        Response(status=202, headers={}, body=b'{"invocationId":"inv_1","status":"Accepted"}'),
        Response(status=400, headers={}, body=b'{"message":"no"}'),
        Response(status=200, headers={}, body=codec.encode(b'"attached"')),
        Response(status=202, headers={}, body=b""),
        Response(status=202, headers={}, body=b""),
    ]

    async def exchange(request: Request) -> Response:
        asked.append(request)
        return answers[len(asked) - 1]

    client = RestateClient(coded(exchange, codec))
    assert await client.generic_call("S", "run", b'"Ada"') == b'"Hello"'
    assert (await client.generic_send("S", "run", b'"Ada"')).invocation_id == "inv_1"
    with pytest.raises(Exception, match="no"):
        await client.generic_call("S", "run", b'"Ada"')
    assert await client.attach_invocation("inv_1", type_hint=str) == "attached"
    await client.resolve_awakeable("sign_1", "told")
    await client.reject_awakeable("sign_1", "plain words")
    assert await codec.decode(asked[0].body) == b'"Ada"'
    assert await codec.decode(asked[1].body) == b'"Ada"'
    assert await codec.decode(asked[4].body) == b'"told"'
    assert asked[5].body == b"plain words"
