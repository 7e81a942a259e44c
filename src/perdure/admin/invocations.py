"""Endpoints that show and change invocations.

A change is durable before it is answered: 200 when it is done, 202 when the handler has a say in
it. One that is repeated because its answer was lost is answered by what the invocation has become.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.errors import AdminError, bad_field, bad_parameter, missing
from perdure.admin.invocation_documents import show_invocation
from perdure.admin.responses import json_response
from perdure.core.model.verdicts import Verdict
from perdure.engine.requests import Requests, UnknownDeploymentError
from perdure.protocol.ids import (
    IdentifierError,
    InvocationId,
    invocation_text,
    parse_deployment_id,
    parse_invocation_id,
)

#: The largest index that a journal can have.
_INDEX_MAX: Final = 2**32 - 1

Change = Callable[[InvocationId], Awaitable[Verdict]]


class Refusal(NamedTuple):
    """How a verdict that is no success is answered; the text goes on after the invocation's id."""

    status: int
    text: str


_DONE: Final = {Verdict.DONE: HTTPStatus.OK, Verdict.ACCEPTED: HTTPStatus.ACCEPTED}

_REFUSALS: Final[Mapping[Verdict, Refusal]] = {
    Verdict.ALREADY_COMPLETED: Refusal(
        HTTPStatus.CONFLICT, "was already completed; only a purge changes it now."
    ),
    Verdict.NOT_COMPLETED: Refusal(
        HTTPStatus.CONFLICT, "is not yet completed; wait for its end, cancel it or kill it first."
    ),
    Verdict.NOT_STARTED: Refusal(
        HTTPStatus.TOO_EARLY, "is scheduled or waits in line; it has not begun to run."
    ),
    Verdict.NOT_RUNNING: Refusal(HTTPStatus.CONFLICT, "is not running, cannot be paused."),
    Verdict.WORKFLOW: Refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "runs a workflow, which cannot be restarted; run the workflow under a new key.",
    ),
    Verdict.JOURNAL_GONE: Refusal(
        HTTPStatus.GONE, "cannot be restarted: its journal, and with it its input, is gone."
    ),
    Verdict.BAD_PREFIX: Refusal(
        HTTPStatus.BAD_REQUEST,
        "cannot be restarted there: up to 'from' (included) its journal holds commands without "
        "their completions, or ends before.",
    ),
    Verdict.CHANGE_REFUSED: Refusal(
        HTTPStatus.CONFLICT,
        "is still running, so that its deployment cannot be changed; pause it first.",
    ),
}


class Invocations:
    """Shows and changes invocations, through the engine."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._changes: Mapping[str, Change] = {
            "cancel": requests.cancel,
            "kill": requests.kill,
            "pause": requests.pause,
            "purge": requests.purge,
            "purge-journal": requests.purge_journal,
        }

    async def show_or_terminate(self, request: Request) -> Response:
        """Answer GET and DELETE of an invocation."""
        if request.method == "DELETE":
            return await self.terminate(request)
        return await self.show(request)

    async def show(self, request: Request) -> Response:
        """Show one invocation."""
        invocation_id = _invocation_id(request)
        row = self._requests.lookup(invocation_id)
        if row is None:
            raise missing(f"invocation '{invocation_text(invocation_id)}'")
        return json_response(show_invocation(invocation_id, row))

    async def change(self, request: Request) -> Response:
        """Cancel, kill, pause or purge an invocation."""
        change = self._changes.get(request.path_params["operation"])
        if change is None:
            raise AdminError(HTTPStatus.NOT_FOUND, "not found")
        invocation_id = _invocation_id(request)
        return _respond(invocation_id, await change(invocation_id))

    async def terminate(self, request: Request) -> Response:
        """Cancel, kill or purge an invocation, the older way: always accepted."""
        invocation_id = _invocation_id(request)
        mode = request.query_params.get("mode", "cancel").lower()
        if mode not in ("cancel", "kill", "purge"):
            raise bad_parameter("mode", f"{mode!r} is none of cancel, kill, purge")
        await self._changes[mode](invocation_id)
        return Response(status_code=HTTPStatus.ACCEPTED)

    async def resume(self, request: Request) -> Response:
        """Go on with an invocation, perhaps on another deployment."""
        invocation_id = _invocation_id(request)
        deployment = _deployment(request)
        try:
            verdict = await self._requests.resume(invocation_id, deployment)
        except UnknownDeploymentError as error:
            raise bad_parameter("deployment", error) from error
        return _respond(invocation_id, verdict)

    async def restart_as_new(self, request: Request) -> Response:
        """Run an ended invocation again, as a new one."""
        invocation_id = _invocation_id(request)
        deployment = _deployment(request)
        upto_index = _index(request)
        try:
            verdict, new_id = await self._requests.restart_as_new(
                invocation_id, upto_index, deployment
            )
        except UnknownDeploymentError as error:
            raise bad_parameter("deployment", error) from error
        if new_id is None:
            return _respond(invocation_id, verdict)
        return json_response({"new_invocation_id": invocation_text(new_id)})


def _respond(invocation_id: InvocationId, verdict: Verdict) -> Response:
    """Answer a change by what came of it."""
    status = _DONE.get(verdict)
    if status is not None:
        return Response(status_code=status)
    text = invocation_text(invocation_id)
    if verdict is Verdict.NOT_FOUND:
        raise missing(f"invocation '{text}'")
    refusal = _REFUSALS[verdict]
    raise AdminError(refusal.status, f"The invocation '{text}' {refusal.text}")


def _invocation_id(request: Request) -> InvocationId:
    try:
        return parse_invocation_id(request.path_params["invocation_id"])
    except IdentifierError as error:
        raise bad_field("invocation_id", error) from error


def _deployment(request: Request) -> str | None:
    """Read the deployment to go on with: ``latest``, ``keep``, an id, or None."""
    text = request.query_params.get("deployment")
    if text is None or text.lower() in ("latest", "keep"):
        return None if text is None else text.lower()
    try:
        return parse_deployment_id(text)
    except IdentifierError as error:
        raise bad_parameter("deployment", f"{error}; write latest, keep or an id") from error


def _index(request: Request) -> int:
    """Read the index of the last journal entry to keep."""
    text = request.query_params.get("from", "0")
    if not text.isascii() or not text.isdigit() or int(text) > _INDEX_MAX:
        raise bad_parameter("from", f"{text!r} is not an index of a journal, which counts from 0")
    return int(text)
