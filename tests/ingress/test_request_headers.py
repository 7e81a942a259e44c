import pytest

from perdure.ingress.errors import BadRequestError
from perdure.ingress.headers import read_headers


def read(*pairs):
    raw = [(name.encode(), value) for name, value in pairs]
    return read_headers(raw, dict(reversed(raw)), b"/Greeter/greet?x=1")


def test_headers_are_passed_on_in_order_after_the_path():
    headers = read(
        ("accept", b"*/*"), ("cookie", b"a=b"), ("x-restate-foo", b"1"), ("cookie", b"c")
    )
    assert headers.forwarded == (
        ("x-restate-ingress-path", "/Greeter/greet?x=1"),
        ("accept", "*/*"),
        ("cookie", "a=b"),
        ("x-restate-foo", "1"),
        ("cookie", "c"),
    )


def test_what_concerns_the_connection_or_the_ingress_is_not_passed_on():
    headers = read(
        ("host", b"h"),
        ("connection", b"close"),
        ("idempotency-key", b"k"),
        ("idempotency-expires", b""),
    )
    assert headers.forwarded == (("x-restate-ingress-path", "/Greeter/greet?x=1"),)


def test_the_content_type_is_read_and_passed_on():
    headers = read(("content-type", b"text/plain"))
    assert headers.content_type == "text/plain"
    assert ("content-type", "text/plain") in headers.forwarded


def test_bytes_beyond_ascii_survive_as_characters():
    assert ("x-name", "\xc3\xa9") in read(("x-name", "\u00e9".encode())).forwarded


def test_the_first_idempotency_key_wins():
    assert read(("idempotency-key", b"a"), ("idempotency-key", b"b")).idempotency_key == "a"


def test_an_empty_idempotency_key_is_one():
    assert read(("idempotency-key", b"")).idempotency_key == ""
    assert read().idempotency_key is None


@pytest.mark.parametrize("value", ["\u00e9".encode(), b"a\tb", b"\x7f"])
def test_an_idempotency_key_is_visible_ascii(value):
    with pytest.raises(BadRequestError, match="visible ASCII"):
        read(("idempotency-key", value))


def test_a_limit_key_needs_a_scope():
    with pytest.raises(BadRequestError, match="requires a scope"):
        read(("x-restate-limit-key", b"a"))


def test_an_empty_limit_key_is_none_but_is_passed_on():
    assert ("x-restate-limit-key", "") in read(("x-restate-limit-key", b"")).forwarded
