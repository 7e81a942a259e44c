import pytest

from perdure.engine.errors import OverloadedError
from perdure.ingress.bodies import Pieces, Room, check_size
from perdure.ingress.errors import TooLargeError


def read(pieces, limit=10, room=None):
    """Put a body together; give it, or the error, and how many pieces were taken."""
    body = Pieces(limit, room or Room())
    for taken, piece in enumerate(pieces):
        try:
            body.add(piece)
        except (TooLargeError, OverloadedError) as error:
            body.take()
            return type(error), taken + 1
    return body.take(), len(pieces)


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([], b""),
        ([b"whole"], b"whole"),
        ([b"in ", b"parts"], b"in parts"),
        ([b"a", b"", b"b", b""], b"ab"),
    ],
)
def test_bodies_are_put_together(pieces, body):
    assert read(pieces) == (body, len(pieces))


def test_a_body_of_exactly_the_limit_is_within_it():
    assert read([b"12345", b"67890"]) == (b"1234567890", 2)
    check_size(10, 10)


def test_a_longer_body_is_refused_as_soon_as_that_is_known():
    assert read([b"1" * 6, b"2" * 6, b"3"]) == (TooLargeError, 2)
    with pytest.raises(TooLargeError):
        check_size(11, 10)


def test_bodies_that_come_in_pieces_share_their_room():
    room = Room(10)
    room.take(5)
    assert read([b"123", b"456"], room=room) == (OverloadedError, 2)
    room.give_back(5)
    assert read([b"123", b"456"], room=room) == (b"123456", 2)
    room.take(10)  # all of it is there again
