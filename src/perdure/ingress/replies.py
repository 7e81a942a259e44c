"""Responses of the ingress, as values.

``x-restate-id`` stands on every answer that is about one invocation. Every error is JSON, and its
``x-restate-error-source`` tells whether the ingress refused or the invocation failed.

A failure's code becomes the HTTP status where it is one of an error (400 to 599), and 500 where it
is not: a failure with code 200 is no success (the peer answers it with 200).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from perdure.core.model.instants import offset_text, utc_text
from perdure.core.model.payloads import output_content_type
from perdure.engine.reception import Submission
from perdure.engine.waiters import Answer
from perdure.ingress.errors import IngressError
from perdure.protocol.manifest import OutputPayload
from perdure.protocol.messages import Failure, Value

Header = tuple[bytes, bytes]

_JSON: Final = (b"content-type", b"application/json")
_FROM_INGRESS: Final = (b"x-restate-error-source", b"ingress")
_FROM_INVOCATION: Final = (b"x-restate-error-source", b"invocation")

_NOT_FOUND: Final = Failure(404, "not found")

_ENCODER: Final = msgspec.json.Encoder()


class Reply(Struct, gc=False):
    """A whole response; the length and the headers of every response are added when it is sent."""

    status: int
    headers: list[Header]
    body: bytes = b""


class ErrorBody(Struct):
    """What every error looks like."""

    code: int
    message: str
    metadata: dict[str, str] | UnsetType = UNSET
    source: str = "ingress"


class SendBody(Struct, rename="camel"):
    """What a send is answered with."""

    invocation_id: str
    execution_time: str | UnsetType
    status: str


def refusal_reply(error: IngressError) -> Reply:
    """Answer a request that the ingress refuses."""
    return error_reply(error.status, str(error), error.headers)


def error_reply(status: int, message: str, headers: Sequence[Header] = ()) -> Reply:
    """Answer with an error of the ingress itself."""
    body = _ENCODER.encode(ErrorBody(code=status, message=message))
    return Reply(int(status), [*headers, _FROM_INGRESS, _JSON], body)


def answer_reply(invocation_id: str, output: OutputPayload | None, answer: Answer | None) -> Reply:
    """Answer who waited for an invocation's result; there is none of an unknown one.

    Args:
        invocation_id: text of its id.
        output: what its handler declares to give.
        answer: what came of it.
    """
    headers = [(b"x-restate-id", invocation_id.encode())]
    if answer is None:
        return _failure_reply(_NOT_FOUND, headers)
    if answer.expires_at is not None:
        headers.append((b"idempotency-expires", offset_text(answer.expires_at).encode()))
    outcome = answer.outcome
    if not isinstance(outcome, Value):
        return _failure_reply(outcome, headers)
    content = outcome.content
    content_type = output_content_type(output, empty=not content)
    if content_type is not None:
        headers.append((b"content-type", content_type.encode("latin-1")))
    return Reply(200, headers, content)


def _failure_reply(failure: Failure, headers: list[Header]) -> Reply:
    body = ErrorBody(
        code=failure.code,
        message=failure.message,
        metadata=dict(failure.metadata) if failure.metadata else UNSET,
        source="invocation",
    )
    status = failure.code if 400 <= failure.code <= 599 else 500
    return Reply(status, [*headers, _FROM_INVOCATION, _JSON], _ENCODER.encode(body))


def submission_reply(invocation_id: str, submission: Submission) -> Reply:
    """Answer a send."""
    due_at = submission.execution_time
    body = SendBody(
        invocation_id=invocation_id,
        execution_time=UNSET if due_at is None else utc_text(due_at),
        status="Accepted" if submission.is_new else "PreviouslyAccepted",
    )
    return Reply(202, [_JSON, (b"x-restate-id", invocation_id.encode())], _ENCODER.encode(body))


def identity_reply(invocation_id: str) -> Reply:
    """Answer a lookup."""
    return _document({"invocationId": invocation_id})


def health_reply(services: Sequence[str]) -> Reply:
    """Answer a health check with the names of what is served."""
    return _document({"services": services})


def accepted_reply() -> Reply:
    """Answer that something was taken in, with nothing to add."""
    return Reply(202, [])


def _document(content: object) -> Reply:
    return Reply(200, [_JSON], _ENCODER.encode(content))
