"""Endpoints that change many invocations with one request.

Each invocation is changed or refused for itself, as it would be alone; changes are asked for
together, so that they become durable together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field
from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.bodies import Check, Wrong, read_body, unprocessable
from perdure.admin.errors import AdminError, bad_value
from perdure.admin.invocations import Changed, Invocations, check_deployment
from perdure.admin.operations import Endpoint
from perdure.admin.responses import json_response
from perdure.engine.errors import RefusalError
from perdure.protocol.ids import (
    IdentifierError,
    InvocationId,
    invocation_text,
    parse_invocation_id,
)

BATCH_MAX: Final = 1000

Index = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class Batch(Struct):
    """Invocations to change, up to 1000 of them."""

    invocation_ids: Annotated[list[str], Meta(max_length=BATCH_MAX)]


class ResumeBatch(Batch):
    """Invocations to go on with: where they are, or on a deployment (``latest`` or an id)."""

    deployment: str | None = None


class RestartBatch(Batch):
    """Invocations to run again, from the input or after a prefix of the journal."""

    deployment: str | None = None
    #: Index of the last journal entry to keep.
    from_: Index = field(name="from", default=0)


class ChangedDocument(Struct):
    """An invocation that was changed, or will be as soon as its handler has heard of it."""

    invocation_id: str
    new_invocation_id: str | UnsetType = UNSET


class RefusedDocument(Struct):
    """An invocation that was not changed, with the status that it would have been answered."""

    invocation_id: str
    status: int
    message: str


class BatchDocument(Struct):
    """What became of each invocation, in the order in which they were named."""

    successful: list[ChangedDocument]
    failed: list[RefusedDocument]


class Batches:
    """Changes invocations, by what changes one of them."""

    def __init__(self, invocations: Invocations) -> None:
        self._invocations = invocations

    def changing(self, operation: str) -> Endpoint:
        """Make what cancels, kills, pauses or purges invocations."""

        async def change(request: Request) -> Response:
            body = await read_body(request, Batch, checks=_CHECKS)
            return await _each(
                body.invocation_ids, lambda one: self._invocations.change(operation, one)
            )

        return change

    async def resume(self, request: Request) -> Response:
        """Go on with invocations."""
        body = await read_body(request, ResumeBatch, checks=_CHECKS)
        deployment = check_deployment(body.deployment, bad_value)
        return await _each(
            body.invocation_ids, lambda one: self._invocations.resume(one, deployment)
        )

    async def restart_as_new(self, request: Request) -> Response:
        """Run ended invocations again, as new ones."""
        body = await read_body(request, RestartBatch, checks=_CHECKS)
        deployment = check_deployment(body.deployment, bad_value)
        return await _each(
            body.invocation_ids,
            lambda one: self._invocations.restart_as_new(one, body.from_, deployment),
        )


async def _each(
    texts: Iterable[str], change: Callable[[InvocationId], Awaitable[Changed]]
) -> Response:
    ids = _parse(texts)
    document = BatchDocument([], [])
    results = await asyncio.gather(*map(change, ids), return_exceptions=True)
    for invocation_id, result in zip(ids, results, strict=True):
        text = invocation_text(invocation_id)
        match result:
            case AdminError() | RefusalError():
                document.failed.append(RefusedDocument(text, result.status, str(result)))
            case BaseException():
                raise result
            case Changed(new_id=new_id):
                new_text = UNSET if new_id is None else invocation_text(new_id)
                document.successful.append(ChangedDocument(text, new_text))
    return json_response(document, HTTPStatus.OK)


def _parse(texts: Iterable[str]) -> list[InvocationId]:
    """Read ids, each once.

    Raises:
        AdminError: names all that are none.
    """
    ids: dict[InvocationId, None] = {}
    wrong: list[Wrong] = []
    for place, text in enumerate(texts):
        try:
            ids[parse_invocation_id(text)] = None
        except IdentifierError as error:
            wrong.append(Wrong(f"invocation_ids[{place}]", str(error)))
    if wrong:
        raise unprocessable(wrong)
    return list(ids)


_CHECKS: Final[Mapping[str, Check]] = {
    "invocation_ids": _parse,
    "deployment": partial(check_deployment, blame=bad_value),
}
