"""The load generator, with the bytes of responses instead of a server."""

import asyncio

import pytest
from benchmarks.generator import Client, Crowd, check_books, complete_body, encode_requests
from benchmarks.load import Call, Load, LoadError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"


class Wire:
    """Stands for the transport: keeps what was sent."""

    def __init__(self):
        self.sent = []

    def write(self, data):
        self.sent.append(data)

    def close(self):
        pass


def crowd_after(*pieces, requests=3, **call):
    """Give the crowd of a load of one connection, after these pieces of responses arrived."""

    async def scenario():
        crowd = Crowd(Load(port=1, call=Call(path="/", **call), connections=1, requests=requests))
        crowd.measuring = True
        client = Client(crowd)
        client.connection_made(Wire())
        crowd.clients.append(client)
        crowd.start()
        for piece in pieces:
            client.data_received(piece)
        await crowd.drain()
        return crowd

    return asyncio.run(scenario())


def counts(*values):
    return [OK % (len(str(value)), str(value).encode()) for value in values]


def test_it_sends_exactly_the_requests_it_is_told_and_times_each():
    crowd = crowd_after(*[OK % (2, b"hi")] * 3, response="hi")
    assert len(crowd.clients[0].transport.sent) == 3
    assert crowd.answered == len(crowd.latencies_ns) == 3


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_response_may_come_in_pieces(cut):
    response = OK % (2, b"hi")
    crowd = crowd_after(response[:cut], response[cut:], requests=1, response="hi")
    assert crowd.answered == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK % (2, b"ho"),
        b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ],
)
def test_one_wrong_response_ends_the_load(answer):
    with pytest.raises(LoadError, match="response"):
        crowd_after(OK % (2, b"hi"), answer, response="hi")


def test_counts_of_one_key_must_go_up_by_one():
    assert crowd_after(*counts(1, 2, 3), keys=1).answered == 3
    with pytest.raises(LoadError, match="counted otherwise"):
        crowd_after(*counts(1, 2, 2), keys=1)


def test_a_closed_connection_ends_the_load():
    async def scenario():
        crowd = Crowd(Load(port=1, call=Call(path="/"), connections=1))
        Client(crowd).connection_lost(None)
        await crowd.finish()

    with pytest.raises(LoadError, match="closed a connection"):
        asyncio.run(scenario())


def test_the_books_need_every_count_once_in_any_order():
    check_books([[2, 1, 3], [], [1]])
    for wrong in ([1, 3], [1, 1], [0, 1]):
        with pytest.raises(LoadError):
            check_books([wrong])


def test_a_body_is_given_only_when_it_is_complete():
    assert complete_body(OK % (5, b"hel")) is None
    assert complete_body(OK % (5, b"hello")) == b"hello"
    assert complete_body(b"HTTP/1.1 200 OK\r\nContent-Le") is None


def test_each_key_has_its_request():
    load = Load(
        port=1,
        call=Call(path="/Counter/{key}/add", body="1", keys=2),
        connections=1,
        key_prefix="k",
    )
    requests = encode_requests(load)
    assert [request.split(b" ")[1] for request in requests] == [
        b"/Counter/k0/add",
        b"/Counter/k1/add",
    ]
    assert all(request.endswith(b"content-length: 1\r\n\r\n1") for request in requests)
