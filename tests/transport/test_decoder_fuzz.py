"""Whatever bytes a peer sends, the worst is a fault that is told: on the server's side, on the
SDK's, and in each form in which answers come."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import attempt_values as values
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_wire import MESSAGES

import perdure
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.registrar import DiscoveryError
from perdure.engine.transports import Line
from perdure.protocol import wire
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import End, Error, Input, Start, Suspension, Value
from perdure.sdk.endpoint_attempt import WireAttempt
from perdure.transport.discovery import Answer, read_answer
from perdure.transport.exchanges import Exchange, LostError, Request
from perdure.transport.farewells import Farewells
from perdure.transport.http1 import Http1Connection
from perdure.transport.http_session import HttpSession
from perdure.transport.lambda_envelope import read_reply
from perdure.transport.network import Origin

BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TERMINAL = (End, Suspension, Error)
VERSIONS = st.sampled_from([5, 6, 7])


def encoded(message, version: int) -> bytes:
    try:
        return wire.encode(message, version)
    except (wire.UnencodableMessageError, AssertionError):
        return b""  # it is a message of another version


@st.composite
def streams(draw) -> tuple[int, list[bytes]]:
    """Give a version, and messages as a peer might send them that is out of its mind."""
    version = draw(VERSIONS)
    sent = draw(st.lists(st.one_of(*MESSAGES.values()), max_size=6))
    data = bytearray(b"".join(encoded(message, version) for message in sent))
    for place, byte in draw(
        st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)
    ):
        if place < len(data):
            data[place] = byte
    data += draw(st.binary(max_size=20))
    cut = draw(st.integers(1, 60))
    return version, [bytes(data[start : start + cut]) for start in range(0, len(data), cut)]


@BOUNDED
@given(streams())
def test_the_server_s_side_of_an_attempt(stream):
    version, chunks = stream
    attempt = values.attempt(HandlerKind.WORKFLOW, version=version)
    endings, problems, heard = [], [], []

    def sink(messages):
        heard.extend(messages)
        progress = attempt.receive(messages)
        if progress is not None:
            # What could not be stored is told by the engine; nothing else may go wrong here.
            with contextlib.suppress(UnicodeEncodeError, OverflowError):
                msgspec.msgpack.encode(progress)
            if progress.ending is not None:
                endings.append(progress.ending)

    line = Line(
        InvocationId(bytes(24)),
        Target("Signup", "run", HandlerKind.WORKFLOW, "k"),
        version,
        sink,
        lambda problem, _retry: problems.append(problem),
    )

    async def hear():
        session = HttpSession(line, "http://h/", "x", 1 << 20, lambda: None)
        session.begin(Exchange(Request("POST", "/", ()), session), Farewells())
        session.head(200, {"content-type": "x"})
        for chunk in chunks:
            session.data(chunk)
        session.end()

    asyncio.run(hear())
    terminal = [each for each in heard if isinstance(each, TERMINAL)]
    assert terminal in ([], heard[-1:])
    assert len(problems) + len(terminal) == 1, "there is exactly one end"
    assert len(endings) <= 1


def make_host():
    shop = perdure.Service("Shop")

    @shop.handler()
    async def buy(ctx: perdure.Context, name: str) -> str:
        await ctx.run_typed("pay", lambda: name)
        await ctx.sleep(timedelta(seconds=1))
        return await ctx.service_call(buy, arg=name)

    return perdure.app([shop]).host()


HOST = make_host()


@BOUNDED
@given(streams(), st.booleans())
def test_the_sdk_s_side_of_an_attempt(stream, begins_well):
    version, chunks = stream

    async def hear():
        woken = asyncio.Event()
        attempt = WireAttempt(version, woken.set)
        attempt.carry(HOST.open("Shop", "buy", version, attempt.say))
        if begins_well:
            attempt.receive_data(encoded(Start(bytes(24), "inv", 1), version))
            attempt.receive_data(encoded(Input(Value(b'"x"')), version))
        for chunk in chunks:
            if not attempt.over:
                attempt.receive_data(chunk)
        if not attempt.over:
            attempt.receive_eof()
        async with asyncio.timeout(10):
            while not attempt.over:
                await woken.wait()
                woken.clear()
        attempt.data_to_send()

    asyncio.run(hear())


class Pool:
    """Takes what a connection has to say about its exchange."""

    def __init__(self) -> None:
        self.lost: list[str] = []

    def idle(self, connection):
        pass

    def gone(self, connection):
        pass

    def broken(self, exchange, reason):
        exchange.lose(LostError(reason))


class Socket(asyncio.Transport):
    """A connection whose peer takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data):
        pass

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def is_closing(self):
        return self.closed

    def abort(self):
        self.closed = True


class Listener:
    """Counts the ends that it hears of."""

    def __init__(self) -> None:
        self.ends = 0

    def head(self, status, headers):
        assert self.ends == 0

    def data(self, data):
        assert self.ends == 0

    def end(self):
        self.ends += 1

    def lost(self, error):
        self.ends += 1


HTTP1 = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK\r\n",
                b"HTTP/1.1 100 Continue\r\n\r\n",
                b"content-length: 5\r\n",
                b"transfer-encoding: chunked\r\n",
                b"connection: close\r\n",
                b"\r\n",
                b"5\r\nhello\r\n",
                b"0\r\n\r\n",
                b"hello",
            ]
        ),
        st.binary(max_size=12),
    ),
    max_size=10,
)


@BOUNDED
@given(HTTP1, st.integers(1, 30), st.booleans())
def test_answers_over_http1(pieces, cut, says_all):
    listener, connection = Listener(), Http1Connection(Origin("http", "h", 1, http2=False), Pool())
    connection.connection_made(Socket())
    exchange = Exchange(Request("POST", "/", ()), listener)
    connection.open(exchange)
    if says_all:
        exchange.end()
    data = b"".join(pieces)
    for start in range(0, len(data), cut):
        if connection.usable:
            connection.data_received(data[start : start + cut])
    connection.connection_lost(None)
    assert listener.ends == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
REPLIES = st.binary(max_size=40) | st.fixed_dictionaries(
    {},
    optional={
        "statusCode": st.integers(0, 999) | JSON,
        "headers": st.dictionaries(
            st.sampled_from(["content-encoding", "x"]), st.sampled_from(["zstd", "y"])
        )
        | JSON,
        "body": st.text(max_size=10) | JSON,
        "isBase64Encoded": st.booleans() | JSON,
    },
).map(msgspec.json.encode)


@BOUNDED
@given(REPLIES, st.sampled_from([200, 202, 302, 400, 413, 429, 500]), st.booleans())
def test_answers_of_functions(body, status, failed):
    headers = {"x-amz-function-error": "Unhandled"} if failed else {}
    with contextlib.suppress(LostError):
        read_reply(Answer(status, headers, body))


HANDLERS = st.fixed_dictionaries(
    {"name": st.text(max_size=4)},
    optional={
        "ty": st.sampled_from(["WORKFLOW", "EXCLUSIVE", "SHARED"]) | JSON,
        "input": JSON,
        "abortTimeout": st.integers() | JSON,
        "retryPolicyExponentiationFactor": st.floats(allow_nan=False) | JSON,
    },
)
MANIFESTS = st.fixed_dictionaries(
    {
        "protocolMode": st.sampled_from(["BIDI_STREAM", "REQUEST_RESPONSE"]) | JSON,
        "minProtocolVersion": st.integers(1, 7) | JSON,
        "maxProtocolVersion": st.integers(5, 9) | JSON,
        "services": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.text(max_size=4),
                    "ty": st.sampled_from(["SERVICE", "WORKFLOW", "VIRTUAL_OBJECT"]),
                    "handlers": st.lists(HANDLERS, max_size=3) | JSON,
                }
            ),
            max_size=3,
        )
        | JSON,
    }
).map(msgspec.json.encode)


@BOUNDED
@given(MANIFESTS | st.binary(max_size=40))
def test_answers_to_discovery(body):
    headers = {"content-type": "application/vnd.restate.endpointmanifest.v4+json"}
    with contextlib.suppress(DiscoveryError):
        read_answer("http://h/", Answer(200, headers, body))
