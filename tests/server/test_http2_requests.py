"""Heads of requests in HTTP/2, of which those of one client have much in common."""

from __future__ import annotations

import tracemalloc

import pytest
from jh2._hazmat import Encoder

from perdure.server.heads import RequestHead
from perdure.server.http2_requests import HeadReader, MalformedError

COMMON = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"services"),
    (b":path", b"/invoke/Greeter/greet?a=b"),
    (b"content-type", b"text/plain"),
)


class Client:
    """A client that compresses what it says."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._reader = HeadReader()

    def ask(self, *own: tuple[bytes, bytes], common=COMMON, apart: bool = True, ended=False):
        """Send a head; give what the server reads of it.

        Args:
            own: headers that come last.
            common: those before them.
            apart: whether its own headers are to be kept out of compression tables.
            ended: whether no body follows.
        """
        fields = [(*header, False) for header in common] + [(*header, apart) for header in own]
        block = bytes(self._encoder.encode(fields))
        return self._reader.read(self._reader.decode(block), ended=ended)


@pytest.mark.parametrize(
    "own",
    [
        [(b"x-id", b"1")],
        [(b"x-id", b"1"), (b"x-key", b"a b")],
        [(b"content-length", b"7")],
        [(b"host", b"elsewhere"), (b"x-id", b"1")],
        [(b"cookie", b"a=1"), (b"cookie", b"b=2")],
        [(b"expect", b"100-continue")],
    ],
)
def test_a_head_says_the_same_whatever_is_kept_apart(own):
    client = Client()
    whole = Client().ask(*own, apart=False)
    assert client.ask(*own) == whole
    assert client.ask(*own) == whole


def test_what_a_request_has_of_its_own_stays_with_it():
    client = Client()
    heads = [client.ask((b"x-id", b"%d" % number)).head for number in range(3)]
    assert [head.headers[-1] for head in heads] == [(b"x-id", b"%d" % n) for n in range(3)]
    assert heads[0] == RequestHead(
        method="POST",
        version="2",
        raw_path=b"/invoke/Greeter/greet",
        query=b"a=b",
        headers=[(b"host", b"services"), (b"content-type", b"text/plain"), (b"x-id", b"0")],
        keep_alive=True,
        expects_continue=False,
    )


@pytest.mark.parametrize(
    "own",
    [
        (b":path", b"/other"),
        (b"X-Id", b"1"),
        (b"x-id", b"1\n2"),
        (b"x-id", b"1\r2"),
        (b"x-id", b"1\x002"),
        (b"x-id", b" 1"),
        (b"x-id", b"1\t"),
        (b"connection", b"close"),
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_what_is_kept_apart_is_looked_at_too(own, apart):
    client = Client()
    client.ask((b"x-id", b"1"))
    with pytest.raises(MalformedError):
        client.ask(own, apart=apart)


@pytest.mark.parametrize("missing", [b":method", b":scheme", b":path"])
def test_what_is_kept_apart_makes_no_head(missing):
    common = tuple(header for header in COMMON if header[0] != missing)
    with pytest.raises(MalformedError, match=missing.decode()):
        Client().ask((b"x-id", b"1"), common=common)


def test_a_body_that_is_declared_has_to_come():
    client = Client()
    common = (*COMMON, (b"content-length", b"3"))
    assert client.ask((b"x-id", b"1"), common=common).body_bytes == 3
    with pytest.raises(MalformedError):
        client.ask((b"x-id", b"2"), common=common, ended=True)


def test_only_so_much_is_remembered():
    client = Client()
    for number in range(200):
        common = (*COMMON, (b"x-path", b"%d" % number))
        assert client.ask((b"x-id", b"1"), common=common).head.headers[-2][1] == b"%d" % number
    long = (*COMMON, (b"x-long", b"a" * 5000))
    for _ in range(2):
        assert client.ask((b"x-id", b"1"), common=long).head.headers[-2][1] == b"a" * 5000


def test_a_client_cannot_make_the_server_remember_more_than_it_sends():
    """Short headers take many times their bytes, and there may be thousands of connections."""
    client = Client()
    short = [(b"%03x" % number, b"") for number in range(300)]
    heads = [
        (*COMMON, (b"x-path", b"%d" % number), *short[:many])
        for many in (300, 20)
        for number in range(60)
    ]
    tracemalloc.start()
    try:
        for head in heads:
            client.ask((b"x-id", b"1"), common=head)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 256 * 1024
