"""Invocations that a request names other than by a path of their own: JSON targets.

A target that cannot be read is the client's mistake and answered with 400 (the peer answers 500
and a stack trace).
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from perdure.ingress.errors import BadRequestError
from perdure.protocol import ids
from perdure.protocol.ids import InvocationId


class Target(Struct, frozen=True, tag_field="target", rename="camel"):
    """What a JSON body names."""


class InvocationTarget(Target, frozen=True, tag="invocation"):
    """An invocation, by id."""

    invocation_id: str


class IdempotentTarget(Target, frozen=True, tag="idempotentInvocation"):
    """The invocation that a request with an idempotency key made."""

    service: str
    handler: str
    idempotency_key: str
    key: str | None = None
    scope: str | None = None


class WorkflowTarget(Target, frozen=True, tag="workflow"):
    """The run of a workflow."""

    workflow_name: str
    workflow_key: str
    scope: str | None = None


_DECODER = msgspec.json.Decoder(InvocationTarget | IdempotentTarget | WorkflowTarget)


def read_target(body: bytes) -> InvocationId:
    """Give the id of the invocation that a JSON target names, whether or not it exists.

    Raises:
        BadRequestError: the body is no target, or names a scope.
    """
    try:
        target = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequestError(
            f'bad target in the body: {error}; write {{"target":"invocation",'
            '"invocationId":".."}, or a target of "idempotentInvocation" or "workflow"'
        ) from error
    if isinstance(target, InvocationTarget):
        return read_invocation_id(target.invocation_id)
    if target.scope is not None:
        raise BadRequestError(
            "scoped invocations require vqueues to be enabled, which this server does not offer; "
            "leave out the scope"
        )
    if isinstance(target, WorkflowTarget):
        return ids.workflow_run_id(target.workflow_name, target.workflow_key)
    return ids.idempotent_id(target.service, target.handler, target.idempotency_key, target.key)


def read_invocation_id(text: str) -> InvocationId:
    """Read an invocation's id.

    Raises:
        BadRequestError: the text has another form.
    """
    try:
        return ids.parse_invocation_id(text)
    except ids.IdentifierError as error:
        raise BadRequestError(f"bad invocation id '{text}': {error}") from error


def read_awakeable_id(text: str) -> tuple[InvocationId, int]:
    """Read an awakeable's id: the invocation that waits, and its signal.

    Raises:
        BadRequestError: the text has another form.
    """
    try:
        return ids.parse_awakeable_id(text)
    except ids.IdentifierError as error:
        raise BadRequestError(f"bad awakeable id '{text}': {error}") from error
