"""Heads of requests in HTTP/2, of which those of one client have much in common."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jh2._hazmat import Encoder

from perdure.server.heads import RequestHead
from perdure.server.http2_requests import HeadReader, MalformedError
from perdure.transport.http2_blocks import literal
from perdure.transport.http2_frames import PeerError

COMMON = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"services"),
    (b":path", b"/invoke/Greeter/greet?a=b"),
    (b"content-type", b"text/plain"),
)


#: Where a client has what is a request's own: in its compression table, or in none.
IN_TABLE, APART, COMPRESSED = "in the table", "apart", "apart and compressed"


class Client:
    """A client that compresses what it says."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self.reader = HeadReader()

    def block(self, *own: tuple[bytes, bytes], common=COMMON, kept=APART) -> bytes:
        """Write a head.

        Args:
            own: headers that come last.
            common: those before them.
            kept: where its own headers are kept.
        """
        fields = [(*header, False) for header in common]
        if kept == APART:
            shared = bytes(self._encoder.encode(fields))
            return shared + b"".join([literal(name, value) for name, value in own])
        fields += [(*header, kept == COMPRESSED) for header in own]
        return bytes(self._encoder.encode(fields))

    def ask(self, *own: tuple[bytes, bytes], ended=False, **how):
        """Send a head; give what the server reads of it."""
        return self.reader.read(self.block(*own, **how), ended=ended)


@pytest.mark.parametrize("kept", [APART, COMPRESSED])
@pytest.mark.parametrize(
    "own",
    [
        [],
        [(b"x-id", b"1")],
        [(b"x-id", b"1"), (b"x-key", b"a b")],
        [(b"x-id", b"1"), (b"x-proof", b"p" * 300)],
        [(b"x-id", b"")],
        [(b"x-id", b"\xe9")],
        [(b"x-id", b"1"), (b"x-long", b"a" * 3000)],
        [(b"te", b"trailers")],
        [(b"content-length", b"7")],
        [(b"host", b"elsewhere"), (b"x-id", b"1")],
        [(b"cookie", b"a=1"), (b"cookie", b"b=2")],
        [(b"expect", b"100-continue")],
    ],
)
def test_a_head_says_the_same_whatever_is_kept_apart(own, kept):
    client = Client()
    whole = Client().ask(*own, kept=IN_TABLE)
    for _ in range(3):
        assert client.ask(*own, kept=kept) == whole


def test_the_same_bytes_are_read_anew_when_the_table_has_changed():
    """References say something else then, be it that a block only changed the table."""
    client = Client()
    for number in range(5):
        common = (*COMMON, (b"x-path", b"%d" % number))
        for _ in range(3):
            assert client.ask((b"x-id", b"1"), common=common).head.headers[-2][1] == b"%d" % number
        client.reader.decode(client.block(common=[(b"x-trailer", b"%d" % number)]))


PATHS = st.sampled_from([b"/a", b"/b", b"/c"])
OWN = st.lists(st.sampled_from([(b"x-id", b"1"), (b"x-key", b"a b"), (b"x-a", b"a" * 200)]))
KEPT = st.sampled_from([IN_TABLE, APART, COMPRESSED])


@given(st.lists(st.tuples(PATHS, OWN, KEPT), max_size=12))
def test_heads_are_read_as_if_each_were_the_first(requests):
    client = Client()
    for path, own, kept in requests:
        common = (*COMMON[:3], (b":path", path), *COMMON[4:])
        anew = Client().ask(*own, common=common, kept=IN_TABLE)
        assert client.ask(*own, common=common, kept=kept) == anew


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_block_that_ends_within_a_header_ends_the_connection(cut):
    client = Client()
    for _ in range(2):
        block = client.block((b"x-id", b"12345"))
        client.reader.read(block, ended=False)
    with pytest.raises(PeerError):
        client.reader.read(block[:-cut], ended=False)


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
@pytest.mark.parametrize("kept", [IN_TABLE, APART, COMPRESSED])
def test_what_is_kept_apart_is_looked_at_too(own, kept):
    client = Client()
    for _ in range(2):
        client.ask((b"x-id", b"1"))
    with pytest.raises(MalformedError):
        client.ask(own, kept=kept)


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
