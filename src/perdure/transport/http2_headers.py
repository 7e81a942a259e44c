"""Header blocks of HTTP/2: compression, limits, and what a response's head must look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jh2._hazmat import Decoder, Encoder
from msgspec import Struct

from perdure.transport.exchanges import Headers, Request
from perdure.transport.http2_blocks import KnownBlocks, literal
from perdure.transport.http2_frames import FRAME_BYTES_DEFAULT, ErrorCode, PeerError

#: All headers of one response, uncompressed: what other implementations take.
HEADER_LIST_BYTES_MAX: Final = 64 * 1024
#: Frames of one header block, as bytes and in number.
BLOCK_BYTES_MAX: Final = 64 * 1024
BLOCK_FRAMES_MAX: Final = 32
#: Size of our compression table at the most, whatever the peer allows.
TABLE_BYTES_MAX: Final = 4096


class MalformedHeadError(Exception):
    """A response's head breaks the rules; its stream ends, the connection goes on."""


class ResponseHead(Struct, frozen=True):
    """What comes before the body; trailers have no status."""

    status: int | None
    headers: Mapping[str, str]


class HeaderBlock:
    """A header block that arrives in one or more frames, which nothing may interrupt.

    Args:
        bytes_max: the longest one that is taken.
    """

    def __init__(self, bytes_max: int = BLOCK_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._frames_max = max(BLOCK_FRAMES_MAX, 2 * bytes_max // FRAME_BYTES_DEFAULT)
        self._stream_id = 0
        self._flags = 0
        self._fragments: list[bytes] = []
        self._bytes = 0
        #: Whether a block has begun and not ended.
        self.open = False

    def begin(self, stream_id: int, flags: int, fragment: bytes) -> None:
        """Take the first frame."""
        self._stream_id, self._flags = stream_id, flags
        self._fragments, self._bytes = [], 0
        self.open = True
        self._add(fragment)

    def go_on(self, stream_id: int, fragment: bytes) -> None:
        """Take a further frame.

        Raises:
            PeerError: it belongs to no block, or there is no end of it.
        """
        if not self.open or stream_id != self._stream_id:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "a CONTINUATION frame that continues nothing")
        self._add(fragment)

    def finish(self) -> tuple[int, int, bytes]:
        """Give stream, flags of the first frame, and the whole block."""
        self.open = False
        block = b"".join(self._fragments)
        self._fragments = []
        return self._stream_id, self._flags, block

    def _add(self, fragment: bytes) -> None:
        self._fragments.append(fragment)
        self._bytes += len(fragment)
        if self._bytes > self._bytes_max or len(self._fragments) > self._frames_max:
            raise PeerError(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end")


class HeaderCodec:
    """Both compression states of one connection.

    Args:
        scheme: ``http`` or ``https``.
        authority: host and port, as requests name them.
    """

    def __init__(self, scheme: str, authority: str) -> None:
        self._fixed = ((":scheme", scheme), (":authority", authority))
        self._encoder = Encoder()
        self._decoder = Decoder(HEADER_LIST_BYTES_MAX)
        self._written: KnownBlocks[tuple[str, str, Headers], bytes] = KnownBlocks()
        self._read: KnownBlocks[bytes, ResponseHead] = KnownBlocks()

    def limit_table(self, size: int) -> None:
        """Respect the size of the compression table that the peer allows."""
        self._encoder.header_table_size = min(size, TABLE_BYTES_MAX)
        self._written.forget()

    def encode(self, request: Request) -> bytes:
        """Compress the head of a request."""
        key = (request.method, request.path, request.headers)
        block = self._written.get(key)
        if block is None:
            block = self._encode_shared(*key)
            self._written.learn(key, block, block)
        for name, value in request.own_headers:
            # In the table it would only push out what does not differ from request to request.
            block += literal(name.encode(), value.encode())
        return block

    def _encode_shared(self, method: str, path: str, headers: Headers) -> bytes:
        fields = ((":method", method), *self._fixed, (":path", path), *headers)
        encoded = [(name.encode(), value.encode(), False) for name, value in fields]
        return bytes(self._encoder.encode(encoded))

    def decode(self, block: bytes) -> ResponseHead:
        """Read the head of a response.

        Raises:
            PeerError: it cannot be decompressed or is too long; nothing after it can be read.
            MalformedHeadError: it can be read, but is no head of a response.
        """
        head = self._read.get(block)
        if head is not None:
            return head
        try:
            fields = self._decoder.decode(block, True)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the codec's is no Exception
            raise PeerError(
                ErrorCode.COMPRESSION_ERROR, f"a header block cannot be read: {error}"
            ) from error
        try:
            head = _head_of(fields)
        except MalformedHeadError:
            self._read.forget()  # for it may have changed the table
            raise
        self._read.learn(block, block, head)
        return head


def _head_of(fields: list[tuple[bytes, bytes, bool]]) -> ResponseHead:
    status: int | None = None
    headers: dict[str, str] = {}
    for name, value, _ in fields:
        if name.startswith(b":"):
            if name != b":status" or status is not None or headers:
                raise MalformedHeadError(f"the response has a misplaced field {name!r}")
            status = _status_of(value)
            continue
        text = name.decode("latin-1")
        if not text or text != text.lower():
            raise MalformedHeadError(f"the response has a field named {text!r}")
        value_text = value.decode("latin-1")
        headers[text] = f"{headers[text]}, {value_text}" if text in headers else value_text
    return ResponseHead(status, headers)


def _status_of(value: bytes) -> int:
    if len(value) != 3 or not value.isdigit() or value < b"100":
        raise MalformedHeadError(f"the response has the status {value!r}")
    return int(value)
