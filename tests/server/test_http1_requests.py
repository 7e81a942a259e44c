"""Bytes in, requests out: however they are cut, and never two readings of the same bytes."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.server.http1_requests import (
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    BadRequestError,
    RequestReader,
)

HEAD = b"POST /a HTTP/1.1\r\nhost: x\r\n"


class Sink:
    """Gathers requests: the head, the body as a whole, and whether it ended."""

    def __init__(self):
        self.requests = []

    def head_arrived(self, head):
        self.requests.append((head, bytearray(), []))

    def body_arrived(self, chunk):
        self.requests[-1][1].extend(chunk)

    def request_ended(self):
        self.requests[-1][2].append("ended")


def read(*pieces):
    """Give what a reader makes of some bytes, and why it refused to read on."""
    sink = Sink()
    reader = RequestReader(sink)
    try:
        for piece in pieces:
            reader.feed(piece)
    except BadRequestError as error:
        return sink, error
    return sink, None


def read_one(data):
    sink, error = read(data)
    assert error is None
    ((head, body, ends),) = sink.requests
    assert ends == ["ended"]
    return head, bytes(body)


def test_a_request_is_read():
    head, body = read_one(
        b"POST /Greeter/a%20b?x=1&y HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a:  2 \r\n"
        b"content-length: 3\r\n\r\nabc"
    )
    assert (head.method, head.version, body) == ("POST", "1.1", b"abc")
    assert (head.path, head.raw_path, head.query) == ("/Greeter/a b", b"/Greeter/a%20b", b"x=1&y")
    assert head.headers == [
        (b"host", b"x"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"content-length", b"3"),
    ]
    assert (head.keep_alive, head.expects_continue) == (True, False)


def test_white_space_around_values_is_not_theirs():
    head, _ = read_one(HEAD + b"x-a:\t 1 2 \t\r\ncontent-length: 0 \r\n\r\n")
    assert head.headers[1:] == [(b"x-a", b"1 2"), (b"content-length", b"0")]


def test_chunks_are_joined_and_trailers_dropped():
    head, body = read_one(
        HEAD + b"transfer-encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n"
    )
    assert body == b"abcde"
    assert head.headers == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", ("/", b"/", b"")),
        (b"//a?", ("//a", b"//a", b"")),
        (b"/a?b?c", ("/a", b"/a", b"b?c")),
        (b"/a?b#c", ("/a", b"/a", b"b")),
        (b"/%c3%a4%zz", ("/ä%zz", b"/%c3%a4%zz", b"")),
        (b"http://host:1/a?b", ("/a", b"/a", b"b")),
        (b"http://host", ("/", b"/", b"")),
        (b"*", ("*", b"*", b"")),
    ],
)
def test_targets_are_split(target, expected):
    method = b"OPTIONS" if target == b"*" else b"GET"
    head, _ = read_one(b"%b %b HTTP/1.1\r\n\r\n" % (method, target))
    assert (head.path, head.raw_path, head.query) == expected


def test_what_is_not_ascii_in_a_target_is_encoded_and_nothing_else():
    said = "x-a: ä\r\ncontent-length: 3\r\n\r\nä!".encode()
    requests = "POST /é?ü HTTP/1.1\r\n".encode() + said, b"POST /a HTTP/1.1\r\n" + said
    expected = [(b"/%C3%A9", b"%C3%BC"), (b"/a", b"")]
    ways = [[*requests], [bytes([byte]) for byte in b"".join(requests)], [b"".join(requests)]]
    for pieces in ways:
        sink, error = read(*pieces)
        assert error is None
        assert [(head.raw_path, head.query) for head, _, _ in sink.requests] == expected
        assert {head.headers[0][1] for head, _, _ in sink.requests} == {"ä".encode()}
        assert {bytes(body) for _, body, _ in sink.requests} == {"ä!".encode()}


def test_a_cut_after_a_request_line_encodes_nothing_of_what_follows():
    first, head, value = (
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nx-a: ",
        "ä\r\n\r\n".encode(),
    )
    for pieces in ([head, value], [first + head, value], [first + head[:-6], head[-6:] + value]):
        sink, error = read(*pieces)
        assert error is None
        assert sink.requests[-1][0].headers == [(b"x-a", "ä".encode())]


@pytest.mark.parametrize(
    ("lines", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\n", True),
        (b"GET / HTTP/1.1\r\nconnection: close\r\n", False),
        (b"GET / HTTP/1.1\r\nconnection: keep-alive, Close\r\n", False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n", False),
    ],
)
def test_who_wants_to_go_on_is_told(lines, keep_alive):
    assert read_one(lines + b"\r\n")[0].keep_alive is keep_alive


def test_an_expectation_is_told():
    lines = b"expect: 100-Continue\r\ncontent-length: 1\r\n\r\na"
    assert read_one(HEAD + lines)[0].expects_continue
    assert not read_one(HEAD.replace(b"1.1", b"1.0") + lines)[0].expects_continue


@pytest.mark.parametrize(
    "lines",
    [
        b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
        b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"content-length: 3, 3\r\n\r\nabc",
        b"content-length: +3\r\n\r\nabc",
        b"content-length: 0x3\r\n\r\nabc",
        b"content-length: -1\r\n\r\nabc",
        b"content-length:\r\n\r\nabc",
        b"content-length: 99999999999999999999\r\n\r\nabc",
        b"content-length : 3\r\n\r\nabc",
        b"x-a: 1\r\n folded\r\n\r\n",
        b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: gzip\r\n\r\nabc",
        b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 1\r\n\r\n",
        b"x-a: 1\rx-b: 2\r\n\r\n",
        b"x-a: 1\nx-b: 2\r\n\r\n",
        b"x-a: \0\r\n\r\n",
        b": nameless\r\n\r\n",
    ],
)
def test_framing_that_can_be_read_in_two_ways_is_refused(lines):
    sink, error = read(HEAD + lines)
    assert error is not None
    assert not any(ends for _, _, ends in sink.requests)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello there\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET nowhere HTTP/1.1\r\n\r\n", 400),
        (b"GET http://[::1/x HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET http://[::1/x HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", 400),
    ],
)
def test_what_is_not_spoken_is_refused_with_its_status(data, status):
    sink, error = read(data)
    assert (error.status, sink.requests) == (status, [])


def test_requests_before_a_bad_one_are_read():
    sink, error = read(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nrubbish\r\n\r\n")
    assert [head.path for head, _, _ in sink.requests] == ["/1", "/2"]
    assert error is not None


def pieces(data, size=16_384):
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_a_head_of_the_longest_size_is_read():
    filler = b"x-filler: " + b"x" * (HEAD_BYTES_MAX - 100) + b"\r\n"
    sink, error = read(*pieces(HEAD + filler + b"\r\n"))
    assert (len(sink.requests), error) == (1, None)


def test_what_comes_before_a_long_head_does_not_count():
    body = b"content-length: %d\r\n\r\n%b" % (HEAD_BYTES_MAX, b"x" * HEAD_BYTES_MAX)
    filler = b"x-filler: " + b"x" * (HEAD_BYTES_MAX - 100) + b"\r\n"
    sink, error = read(*pieces(HEAD + body + HEAD + filler + b"\r\n", 65_536))
    assert (len(sink.requests), error) == (2, None)


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /",
        HEAD,
        HEAD + b"x-",
        HEAD + b"x-a: ",
        HEAD + b"transfer-encoding: chunked\r\n\r\n1;x=",
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx-trailer: ",
    ],
)
def test_nothing_but_a_body_goes_on_forever(beginning):
    sink, error = read(beginning, *pieces(b"x" * (HEAD_BYTES_MAX + 50_000)))
    assert error.status == 431
    assert not any(ends for _, _, ends in sink.requests)


def test_a_head_too_long_is_refused_even_at_its_end():
    filler = b"x-filler: " + b"x" * HEAD_BYTES_MAX + b"\r\n"
    _, error = read(HEAD + filler + b"\r\n")
    assert error.status == 431


def test_a_head_of_too_many_headers_is_refused_however_short():
    assert read(HEAD + b"x:\r\n" * (HEADERS_MAX - HEAD.count(b"\n")) + b"\r\n")[1] is None
    _, error = read(HEAD + b"x:\r\n" * (HEADERS_MAX + 1) + b"\r\n")
    assert error.status == 431


# -- Laws

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(str.encode)
VALUES = st.text("abc ,;=/1", max_size=20).map(lambda text: text.strip().encode())
HEADERS = st.lists(st.tuples(TOKENS.map(lambda name: b"x-" + name), VALUES), max_size=4)
BODIES = st.binary(max_size=60)
OFFER = b"connection: keep-alive, Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n"


@st.composite
def requests(draw):
    """Give a request as values, and as bytes in one of the ways to write it."""
    number = draw(st.integers(0, 999))
    headers, body = draw(HEADERS), draw(BODIES)
    lines = [b"%b: %b\r\n" % header for header in headers]
    if draw(st.booleans()):
        cut = draw(st.integers(0, len(body)))
        chunks = [chunk for chunk in (body[:cut], body[cut:]) if chunk]
        lines.append(b"transfer-encoding: chunked\r\n")
        content = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        content += b"0\r\n" + draw(st.sampled_from([b"", b"x-trailer: t\r\n"])) + b"\r\n"
    else:
        lines.append(b"content-length: %d\r\n" % len(body))
        content = body
    if draw(st.booleans()):
        lines.append(OFFER)
    text = b"POST /%d HTTP/1.1\r\n%b\r\n%b" % (number, b"".join(lines), content)
    return (number, headers, body), text


@settings(max_examples=200, deadline=None)
@given(drawn=st.lists(requests(), max_size=4), cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_any_cut_of_the_stream_gives_the_same_requests(drawn, cuts):
    stream = b"".join(text for _, text in drawn)
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    sink, error = read(*(stream[a:b] for a, b in pairwise(edges)))
    assert error is None
    assert [
        (
            int(head.path[1:]),
            [header for header in head.headers if header[0].startswith(b"x-")],
            bytes(body),
        )
        for head, body, ends in sink.requests
        if ends == ["ended"]
    ] == [expected for expected, _ in drawn]


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_are_read_or_refused(data, cuts):
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    read(*(data[a:b] for a, b in pairwise(edges)))
