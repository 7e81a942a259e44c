import pytest
from endpoint_support import INPUT, decoded, encoded, journal

from perdure.protocol.framing import frame
from perdure.protocol.messages import (
    VOID,
    Completion,
    CompletionKind,
    End,
    Error,
    Failure,
    Future,
    Message,
    Output,
    Sleep,
    Start,
    Suspension,
    Value,
)
from perdure.sdk.endpoint_attempt import WireAttempt

SLEPT = Completion(CompletionKind.SLEEP, 1, VOID)
DONE = [Output(Value(b"")), End()]


class Session:
    """Keeps what it is told; says what the test says."""

    def __init__(self, sink) -> None:
        self.sink = sink
        self.told: list[object] = []

    def receive(self, messages) -> None:
        self.told.append(list(messages))

    def close_input(self) -> None:
        self.told.append("closed")

    def abort(self) -> None:
        self.told.append("aborted")


class World:
    """An attempt over a scripted session."""

    def __init__(self, version: int = 6) -> None:
        self.version = version
        self.woken = 0
        self.attempt = WireAttempt(version, self._wake)
        self.session = Session(self.attempt.say)
        self.attempt.carry(self.session)

    def _wake(self) -> None:
        self.woken += 1

    @property
    def output(self) -> list[Message]:
        return decoded(self.attempt.data_to_send(), self.version)


def test_the_journal_is_handed_over_whole():
    world, messages = World(), journal(Sleep(1, 1), SLEPT)
    for message in messages:
        assert not world.attempt.begun
        world.attempt.receive_data(encoded([message]))
    assert world.attempt.begun
    assert world.session.told == [messages]


def test_what_follows_the_journal_is_handed_over_as_it_comes():
    world = World()
    world.attempt.receive_data(encoded(journal(Sleep(1, 1))))
    world.attempt.receive_data(encoded([SLEPT])[:5])
    world.attempt.receive_data(encoded([SLEPT])[5:])
    world.attempt.receive_eof()
    assert world.session.told == [journal(Sleep(1, 1)), [], [SLEPT], "closed"]


def test_a_journal_that_ends_early_is_for_the_session_to_judge():
    world = World()
    world.attempt.receive_data(encoded(journal(SLEPT)[:2]))
    world.attempt.receive_eof()
    assert world.session.told == [journal(SLEPT)[:2], "closed"]


def test_what_begins_with_something_else_too():
    world = World()
    world.attempt.receive_data(encoded([INPUT]))
    assert world.session.told == [[INPUT]]


def test_output_is_fetched_when_told():
    world = World()
    world.session.sink([Sleep(1, 1)])
    assert (world.woken, world.attempt.over) == (1, False)
    assert world.output == [Sleep(1, 1)]
    assert world.output == []


@pytest.mark.parametrize(
    "last", [DONE, [Suspension(Future((1,)))], [Error(500, "no")]], ids=lambda last: str(last[-1])
)
def test_after_the_last_word_nothing_counts(last):
    world = World()
    world.attempt.receive_data(encoded(journal()))
    world.session.sink(last)
    assert world.attempt.over
    world.attempt.receive_data(b"anything at all")
    world.attempt.receive_eof()
    world.attempt.abort()
    world.session.sink([Sleep(1, 1)])
    assert world.session.told == [journal()]
    assert world.output == last


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (frame(0x0009, 0, b""), "type 0x0009 came"),
        (frame(0x0000, 0, b"\xff"), "type 0x0000 cannot be read"),
        (frame(0x0000, 0, b"")[:4] + b"\xff" * 4, "bytes, and fewer than"),
    ],
)
def test_what_is_not_the_protocol_fails_the_attempt(data: bytes, message: str):
    world = World()
    world.attempt.receive_data(data[:4])
    world.attempt.receive_data(data[4:] + b"\xff" * 2)
    (error,) = world.output
    assert isinstance(error, Error)
    assert error.code == 500
    assert message in error.message
    assert world.attempt.over
    assert world.session.told == ["aborted"]


def test_an_end_within_a_message_fails_the_attempt():
    world = World()
    world.attempt.receive_data(encoded([Start(b"", "", 1)])[:-1])
    world.attempt.receive_eof()
    (error,) = world.output
    assert "ended within a message" in error.message
    assert world.session.told == ["aborted"]


def test_what_cannot_be_sent_fails_the_attempt():
    world = World()
    world.session.sink([Sleep(5, 1), Output(Failure(-1, "")), End()])
    sleep, error = world.output
    assert sleep == Sleep(5, 1)
    assert "Output cannot be sent" in error.message
    assert world.attempt.over
    assert world.session.told == ["aborted"]


def test_aborting_says_nothing_more():
    world = World()
    world.session.sink([Sleep(1, 1)])
    world.attempt.abort()
    assert world.attempt.over
    assert world.output == []
    assert world.session.told == ["aborted"]
