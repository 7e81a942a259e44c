"""Messages in, bytes out: how a response tells where it ends."""

import pytest

from perdure.server.heads import ResponseError
from perdure.server.http1_response import Http1Response

DATE = b"date: Sat, 21 Nov 2026 20:28:55 GMT"


def write(*bodies, method="GET", version="1.1", keep_alive=True, status=200, headers=()):
    """Give the head's lines, what follows it, and whether the connection goes on."""
    response = Http1Response(method, version, keep_alive=keep_alive)
    response.start(status, headers)
    last = len(bodies) - 1
    content = b"".join(
        response.proceed(body, more=number < last, date=DATE) for number, body in enumerate(bodies)
    )
    assert response.complete
    if not last:
        at_once = Http1Response(method, version, keep_alive=keep_alive)
        assert at_once.whole(status, headers, *bodies, date=DATE) == content
        assert at_once.complete
        assert at_once.keep_alive == response.keep_alive
    head, _, rest = content.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), rest, response.keep_alive


def test_a_body_in_one_piece_has_a_length():
    assert write(b"abc", headers=[(b"x-a", b"1")]) == (
        [b"HTTP/1.1 200 OK", DATE, b"x-a: 1", b"content-length: 3"],
        b"abc",
        True,
    )


def test_a_declared_length_is_kept_over_many_pieces():
    lines, body, _ = write(b"ab", b"", b"c", headers=[(b"content-length", b"3")])
    assert (lines[2:], body) == ([b"content-length: 3"], b"abc")


def test_many_pieces_are_chunks():
    lines, body, keep_alive = write(b"ab", b"", b"c", b"")
    assert lines[2:] == [b"transfer-encoding: chunked"]
    assert body == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert keep_alive


def test_an_old_client_is_told_by_the_end_of_the_connection():
    lines, body, keep_alive = write(b"ab", b"c", version="1.0")
    assert (lines[2:], body, keep_alive) == ([b"connection: close"], b"abc", False)


@pytest.mark.parametrize("bodies", [[b"abc"], [b"ab", b"c"]])
def test_the_answer_to_head_has_no_body(bodies):
    _, body, keep_alive = write(*bodies, method="HEAD")
    assert (body, keep_alive) == (b"", True)


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_neither_body_nor_length(status):
    lines, body, _ = write(b"", status=status)
    assert (len(lines), body) == (2, b"")


def test_a_status_of_our_own_needs_no_phrase():
    assert write(b"", status=470)[0][0] == b"HTTP/1.1 470 "


def test_who_ends_the_connection_says_so_once():
    lines, _, keep_alive = write(b"", headers=[(b"connection", b"Close")])
    assert (lines.count(b"connection: close"), keep_alive) == (1, False)
    lines, _, keep_alive = write(b"", keep_alive=False)
    assert (lines.count(b"connection: close"), keep_alive) == (1, False)


def test_framing_and_date_are_not_the_applications():
    lines, body, _ = write(
        b"abc", headers=[(b"transfer-encoding", b"chunked"), (b"date", b"now"), (b"x", b"y")]
    )
    assert (lines[1:], body) == ([DATE, b"x: y", b"content-length: 3"], b"abc")


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nset-cookie: b"),
        (b"x", b"a\nb"),
        (b"x", b"a\rb"),
        (b"x", b"a\0b"),
        (b"x\r\ny", b"a"),
    ],
)
def test_a_header_cannot_become_two(header):
    with pytest.raises(ResponseError, match="line break"):
        write(b"", headers=[header])


@pytest.mark.parametrize("bodies", [[b"ab"], [b"abcd"], [b"ab", b""], [b"ab", b"cd"]])
def test_a_wrong_length_is_an_error(bodies):
    with pytest.raises(ResponseError, match="another length"):
        write(*bodies, headers=[(b"content-length", b"3")])


def test_a_response_has_one_beginning_and_one_end():
    response = Http1Response("GET", "1.1", keep_alive=True)
    with pytest.raises(ResponseError, match="before it began"):
        response.proceed(b"", more=False, date=DATE)
    response.start(200, ())
    with pytest.raises(ResponseError, match="twice"):
        response.start(200, ())
    with pytest.raises(ResponseError, match="twice"):
        response.whole(200, (), b"", date=DATE)
    response.proceed(b"", more=False, date=DATE)
    with pytest.raises(ResponseError, match="after its end"):
        response.proceed(b"", more=False, date=DATE)
