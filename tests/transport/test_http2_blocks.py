"""Header blocks that are remembered mean what they meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jh2._hazmat import Decoder, Encoder

from perdure.transport.exchanges import Request
from perdure.transport.http2_blocks import (
    REFERENCES,
    KnownBlocks,
    changes_table,
    literal,
    read_literals,
)
from perdure.transport.http2_headers import HeaderCodec, MalformedHeadError, ResponseHead

NAMES = st.sampled_from(["content-type", "x-restate-invocation-id", "x-restate-service-key", "x-a"])
VALUES = st.sampled_from(["", "a", "b", "value", "v" * 130, "v" * 3000])
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(tuple)
REQUESTS = st.builds(Request, st.just("POST"), st.sampled_from(["/a", "/b", "/c"]), HEADERS)
TABLE_SIZES = st.sampled_from([0, 64, 4096])


@given(st.lists(REQUESTS | TABLE_SIZES, max_size=30))
def test_requests_arrive_as_they_were_written(steps: list[Request | int]):
    codec, decoder = HeaderCodec("http", "host:80"), Decoder()
    for step in steps:
        if isinstance(step, int):
            codec.limit_table(step)
            continue
        fields = decoder.decode(codec.encode(step), True)
        pseudo = {name: value for name, value, _ in fields if name.startswith(b":")}
        assert pseudo == {
            b":method": b"POST",
            b":scheme": b"http",
            b":authority": b"host:80",
            b":path": step.path.encode(),
        }
        headers = [(name.decode(), value.decode()) for name, value, _ in fields[len(pseudo) :]]
        assert sorted(headers) == sorted(step.headers)


@given(st.lists(st.tuples(st.sampled_from([b"200", b"404", b"x"]), HEADERS, st.booleans())))
def test_responses_are_read_as_if_each_were_the_first(responses):
    encoder, codec = Encoder(), HeaderCodec("http", "host:80")
    for status, headers, indexed in responses:
        fields = [(name.encode(), value.encode(), not indexed) for name, value in headers]
        block = bytes(encoder.encode([(b":status", status, False), *fields]))
        if status == b"x":
            with pytest.raises(MalformedHeadError):
                codec.decode(block)
            continue
        expected: dict[str, str] = {}
        for name, value in headers:
            expected[name] = f"{expected[name]}, {value}" if name in expected else value
        assert codec.decode(block) == ResponseHead(int(status), expected)


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 300, 70_000])
def test_a_literal_may_be_of_any_length(size: int):
    block = literal(b"name", b"v" * size)
    assert Decoder(100_000).decode(block, True) == [(b"name", b"v" * size, True)]
    assert not changes_table(block)


def test_a_change_of_the_table_makes_all_blocks_unknown():
    blocks: KnownBlocks[str, int] = KnownBlocks()
    blocks.learn("indexed", b"\x88", 1)
    assert blocks.get("indexed") == 1
    blocks.learn("into the table", b"\x40\x01a\x01b", 2)
    assert blocks.get("indexed") is None
    assert blocks.get("into the table") is None


def test_no_more_is_remembered_than_is_of_use():
    blocks: KnownBlocks[int, int] = KnownBlocks()
    blocks.learn(0, literal(b"name", b"v" * 2000), 0)
    assert blocks.get(0) is None
    for number in range(1000):
        blocks.learn(number, b"\x88", number)
    assert sum(blocks.get(number) is not None for number in range(1000)) <= 64


STRINGS = st.binary(max_size=5) | st.sampled_from([b"v" * 126, b"v" * 127, b"v" * 300])


@given(st.lists(st.tuples(STRINGS, STRINGS), max_size=5), st.integers(min_value=1))
def test_literals_are_read_as_they_were_written(headers, cut: int):
    pieces = [literal(name, value) for name, value in headers]
    assert read_literals(b"".join(pieces)) == headers
    if pieces:
        short = pieces[-1][: -(cut % len(pieces[-1]) or 1)]
        assert read_literals(b"".join([*pieces[:-1], short])) in (None, headers[:-1])


@given(st.binary(max_size=20))
def test_what_is_taken_for_literals_is_what_a_decoder_reads(block: bytes):
    headers = read_literals(block)
    if headers is not None:
        assert Decoder().decode(block, True) == [(name, value, True) for name, value in headers]


def test_references_stand_for_one_header_each():
    codec = HeaderCodec("http", "host:80")
    request = Request("POST", "/a", (("x-a", "b"),))
    codec.encode(request)
    block = codec.encode(request)
    assert not block.lstrip(REFERENCES)
    assert len(block) == 5
