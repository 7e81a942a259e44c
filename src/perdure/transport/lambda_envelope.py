"""Requests and responses of HTTP as AWS Lambda carries them: JSON with a body in base64.

See the service protocol, section 1.8. Long bodies are compressed where both sides can.
"""

from __future__ import annotations

import base64
import io
from importlib import import_module
from typing import Any, Final

import msgspec
from msgspec import Struct

from perdure.transport.discovery import Answer
from perdure.transport.exchanges import LostError, Request

#: What one answer may come to, uncompressed.
ANSWER_BYTES_MAX: Final = 128 * 1024 * 1024
_LEVEL: Final = 3
_ZSTD: Final = "zstd"
#: Answers of AWS that mean the same as a service's own.
_PASSED_ON: Final = frozenset({413, 429})
_FAILED: Final = "x-amz-function-error"


class Event(Struct, frozen=True):
    """What a function is invoked with."""

    path: str
    http_method: str = msgspec.field(name="httpMethod")
    headers: dict[str, str]
    body: str
    is_base64: bool = msgspec.field(name="isBase64Encoded", default=True)


class Reply(Struct, frozen=True):
    """What a function answers."""

    status: int = msgspec.field(name="statusCode")
    headers: dict[str, str] | None = None
    body: str | None = None
    is_base64: bool = msgspec.field(name="isBase64Encoded", default=False)


class Failure(Struct, frozen=True):
    """What AWS says when there is no answer of the function's."""

    function_message: str = msgspec.field(name="errorMessage", default="")
    message: str = ""
    capital_message: str = msgspec.field(name="Message", default="")

    def text(self) -> str:
        """Give whichever it says."""
        return self.function_message or self.message or self.capital_message or "no reason given"


def write_event(request: Request, body: bytes, compress_from: int | None) -> bytes:
    """Write a request.

    Args:
        request: its head.
        body: all of it.
        compress_from: bytes from which it is compressed; None if the function cannot read that.
    """
    headers = dict(request.all_headers)
    zstd = None if compress_from is None else zstandard()
    if zstd is not None and compress_from is not None:
        headers["accept-encoding"] = _ZSTD
        if len(body) >= compress_from:
            headers["content-encoding"] = _ZSTD
            body = zstd.ZstdCompressor(level=_LEVEL).compress(body)
    event = Event(request.path, request.method, headers, base64.b64encode(body).decode())
    return msgspec.json.encode(event)


def read_reply(answer: Answer) -> Answer:
    """Read what AWS answered to the invocation of a function.

    Raises:
        LostError: it is not the answer of a function, or cannot be read.
    """
    if answer.status in _PASSED_ON:
        return answer
    if answer.status >= 300 or _FAILED in answer.headers:
        who = "the function failed" if answer.status < 300 else f"AWS answers {answer.status}"
        kind = answer.headers.get("x-amzn-errortype") or answer.headers.get(_FAILED)
        raise LostError(f"{who} ({kind}): {_failure(answer.body)}")
    try:
        reply = msgspec.json.decode(answer.body, type=Reply)
        text = reply.body or ""
        body = base64.b64decode(text, validate=True) if reply.is_base64 else text.encode()
    except (ValueError, RecursionError) as error:  # JSON, Unicode and base64 all say it so
        raise LostError(f"the function's answer cannot be read: {error}") from error
    headers = {name.lower(): value for name, value in (reply.headers or {}).items()}
    if headers.get("content-encoding") == _ZSTD:
        body = _decompressed(body)
    return Answer(reply.status, headers, body)


def zstandard() -> Any:
    """Give the package that compresses, if it is there."""
    try:
        return import_module("zstandard")
    except ModuleNotFoundError:
        return None


def _decompressed(body: bytes) -> bytes:
    zstd = zstandard()
    if zstd is None:
        raise LostError("the function's answer is compressed, which it was not asked to be")
    try:
        reader = zstd.ZstdDecompressor().stream_reader(io.BytesIO(body))
        whole: bytes = reader.read(ANSWER_BYTES_MAX + 1)
    except zstd.ZstdError as error:
        raise LostError(f"the function's answer is not compressed with zstd: {error}") from error
    if len(whole) > ANSWER_BYTES_MAX:
        raise LostError(f"the function's answer is longer than {ANSWER_BYTES_MAX} bytes")
    return whole


def _failure(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=Failure).text()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body[:200].decode(errors="replace")
