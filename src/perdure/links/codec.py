"""Frames: what travels over a link, and its wire form.

A frame is its length in four bytes, and so many bytes of MessagePack.
"""

from __future__ import annotations

from typing import Any, Final, cast, get_args

import msgspec
from msgspec import Raw, Struct

from perdure.engine.errors import OverloadedError, RefusalError, UnavailableError
from perdure.links.errors import BrokenAnswerError, LinkError
from perdure.links.questions import AnyQuestion, Question

#: What the frames and questions of this module's version mean.
LINK_VERSION: Final = 1
#: One frame; a larger one is a defect. The largest record is far below.
FRAME_BYTES_MAX: Final = 1024 * 1024 * 1024

_LENGTH_BYTES: Final = 4


class Frame(Struct, frozen=True, array_like=True, gc=False, tag=-1):
    """Anything that travels over a link."""


class Greeting(Frame, frozen=True, tag=0):
    """The first frame from either side."""

    version: int
    #: Number of the partition whose process this is, and how many there are.
    partition: int
    count: int


class Asking(Frame, frozen=True, tag=1):
    """A question, under a number that the asker has drawn."""

    number: int
    question: AnyQuestion


class Answering(Frame, frozen=True, tag=2):
    """The answer to a question; what it is depends on that."""

    number: int
    answer: Raw


class Refusing(Frame, frozen=True, tag=3):
    """Why a question is not answered."""

    number: int
    kind: int
    text: str
    retry_after_s: int


class Leaving(Frame, frozen=True, tag=4):
    """The asker wants no answer any more."""

    number: int


AnyFrame = Greeting | Asking | Answering | Refusing | Leaving

_KINDS: Final[tuple[type[RefusalError], ...]] = (
    RefusalError,
    OverloadedError,
    UnavailableError,
    BrokenAnswerError,
)
_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final[msgspec.msgpack.Decoder[AnyFrame]] = msgspec.msgpack.Decoder(AnyFrame)
_decode_answer: Final[dict[type[Question], Any]] = {
    question: msgspec.msgpack.Decoder(question.answer).decode for question in get_args(AnyQuestion)
}


def encode_frame(frame: Frame) -> bytes:
    """Give a frame's wire form.

    Raises:
        Exception: it holds what has none, or is too large.
    """
    body = _encode(frame)
    if len(body) > FRAME_BYTES_MAX:
        raise OverloadedError(f"{len(body)} bytes are too many to be sent to another partition")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def answering(number: int, answer: Any) -> Answering:
    """Make the frame of an answer."""
    # On the way out any value may stand there; on the way in it is read when its type is known.
    return Answering(number, cast(Raw, answer))


def refusing(number: int, error: RefusalError) -> Refusing:
    """Make the frame of a refusal: the class of the error travels, or the nearest that is known."""
    kind = next(kind for kind in type(error).__mro__ if kind in _KINDS)
    return Refusing(number, _KINDS.index(kind), str(error), error.retry_after_s)


def refusal(frame: Refusing) -> RefusalError:
    """Give the error that the other side had."""
    error = _KINDS[frame.kind](frame.text)
    error.retry_after_s = frame.retry_after_s
    return error


def read_answer(question: type[Question], answer: Raw) -> Any:
    """Read the answer to a question.

    Raises:
        LinkError: it is no answer to that.
    """
    try:
        return _decode_answer[question](answer)
    except msgspec.MsgspecError as error:
        raise LinkError(f"an answer to {question.__name__} cannot be read: {error}") from error


class FrameReader:
    """Cuts what arrives into frames, however it was torn on the way."""

    __slots__ = ("_at", "_data", "_later", "_later_bytes")

    def __init__(self) -> None:
        #: What is read now, and how far.
        self._data = b""
        self._at = 0
        #: What has come behind it.
        self._later: list[bytes] = []
        self._later_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        self._later.append(data)
        self._later_bytes += len(data)

    def take(self) -> AnyFrame | None:
        """Give the next frame; None until all of it is there.

        Raises:
            LinkError: what came is no frame.
        """
        while True:
            data, start = self._data, self._at + _LENGTH_BYTES
            end = start
            if start <= len(data):
                end += _length(data[self._at : start])
                if end <= len(data):
                    self._at = end
                    return _read(memoryview(data)[start:end])
            if end - len(data) > self._later_bytes or not self._later:
                return None
            self._join()

    def _join(self) -> None:
        """Put together what is there; a long frame's pieces only when all of it is."""
        if self._at == len(self._data) and len(self._later) == 1:
            self._data = self._later[0]
        else:
            self._data = b"".join((memoryview(self._data)[self._at :], *self._later))
        self._at, self._later_bytes = 0, 0
        self._later.clear()


def _length(head: bytes) -> int:
    length = int.from_bytes(head, "big")
    if length > FRAME_BYTES_MAX:
        raise LinkError(f"a frame claims to have {length} bytes")
    return length


def _read(body: memoryview) -> AnyFrame:
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise LinkError(f"a frame cannot be read: {error}") from error
