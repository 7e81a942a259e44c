import asyncio

import pytest

from perdure.engine.errors import OverloadedError
from perdure.ingress.bodies import ClientGoneError, Room, read_body
from perdure.ingress.errors import TooLargeError


def read(events, limit=10, declared_length=None, room=None):
    """Read a body; give it, or the error, and how many events were taken."""
    remaining = list(events)

    async def receive():
        return remaining.pop(0)

    try:
        outcome = asyncio.run(read_body(receive, declared_length, limit, room or Room()))
    except (TooLargeError, ClientGoneError, OverloadedError) as error:
        outcome = type(error)
    return outcome, len(events) - len(remaining)


def part(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("events", "body"),
    [
        ([part(b"", more=False)], b""),
        ([part(b"whole", more=False)], b"whole"),
        ([part(b"in "), part(b"parts", more=False)], b"in parts"),
        ([part(b"a"), part(b"b"), part(b"", more=False)], b"ab"),
        ([{"type": "http.request"}], b""),
    ],
)
def test_bodies_are_read_to_their_end(events, body):
    assert read(events) == (body, len(events))


def test_a_body_of_exactly_the_limit_is_within_it():
    assert read([part(b"12345"), part(b"67890", more=False)]) == (b"1234567890", 2)


def test_a_longer_body_is_refused_as_soon_as_that_is_known():
    assert read([part(b"1" * 6), part(b"2" * 6), part(b"3")]) == (TooLargeError, 2)


def test_a_declared_length_is_refused_before_anything_is_read():
    assert read([part(b"")], declared_length=b"11") == (TooLargeError, 0)


@pytest.mark.parametrize("events", [[GONE], [part(b"a"), GONE]])
def test_a_client_may_go_away_before_the_end(events):
    assert read(events) == (ClientGoneError, len(events))


def test_bodies_that_come_in_pieces_share_their_room():
    room = Room(10)
    room.take(5)
    assert read([part(b"123"), part(b"456", more=False)], room=room) == (OverloadedError, 2)
    room.give_back(5)
    assert read([part(b"123"), part(b"456", more=False)], room=room) == (b"123456", 2)
    assert read([part(b"12345"), GONE], room=room) == (ClientGoneError, 2)
    room.take(10)  # all of it is there again


def test_a_body_in_one_piece_needs_no_room():
    assert read([part(b"123", more=False)], room=Room(0)) == (b"123", 1)
