"""Endpoints that show and change invocations.

A change is durable before it is answered: 200 when it is done, 202 when the handler has a say in
it. One that is repeated because its answer was lost is answered by what the invocation has become.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.errors import AdminError, bad_field, bad_parameter, missing
from perdure.admin.invocation_documents import show_invocation
from perdure.admin.journal_documents import JournalDocument, show_entry
from perdure.admin.operations import Endpoint
from perdure.admin.responses import json_response
from perdure.core.model.invocations import Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.verdicts import Verdict
from perdure.engine.pinning import UnknownDeploymentError
from perdure.engine.reception import Reception
from perdure.protocol.ids import (
    IdentifierError,
    InvocationId,
    invocation_text,
    parse_deployment_id,
    parse_invocation_id,
)

#: Entries of a journal that are shown at once; the engine does nothing else meanwhile.
JOURNAL_PAGE: Final = 1000
#: The largest index that a journal can have.
_INDEX_MAX: Final = 2**32 - 1
_INDEX_DIGITS_MAX: Final = 100
_NO_INDEX: Final = "it is not an index of a journal, which counts from 0"

Change = Callable[[InvocationId], Awaitable[Verdict]]


class RestartedDocument(Struct):
    """The invocation that a restart began."""

    new_invocation_id: str


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


class Changed(NamedTuple):
    """A change that was made, or will be as soon as the handler has heard of it."""

    status: int
    #: Id of the invocation that was started, if one was.
    new_id: InvocationId | None = None


class Invocations:
    """Changes invocations, through the engine; each method raises AdminError if it does not."""

    def __init__(self, requests: Reception) -> None:
        self._requests = requests
        self._changes: Mapping[str, Change] = {
            "cancel": requests.cancel,
            "kill": requests.kill,
            "pause": requests.pause,
            "purge": requests.purge,
            "purge-journal": requests.purge_journal,
        }

    async def find(self, invocation_id: InvocationId) -> Invocation:
        """Give the row of an invocation."""
        row = await self._requests.find(invocation_id)
        if row is None:
            raise missing(f"invocation '{invocation_text(invocation_id)}'")
        return row

    async def journal(
        self, invocation_id: InvocationId, start: int, limit: int
    ) -> list[JournalEntry]:
        """Give entries of a journal; none if it was purged before its result."""
        entries = await self._requests.read_journal(invocation_id, start, limit)
        if entries is None:
            raise missing(f"invocation '{invocation_text(invocation_id)}'")
        return entries

    async def change(self, operation: str, invocation_id: InvocationId) -> Changed:
        """Cancel, kill, pause or purge an invocation."""
        return _changed(invocation_id, await self._changes[operation](invocation_id))

    async def resume(self, invocation_id: InvocationId, deployment: str | None) -> Changed:
        """Go on with an invocation, perhaps on another deployment."""
        try:
            verdict = await self._requests.resume(invocation_id, deployment)
        except UnknownDeploymentError as error:
            raise bad_parameter("deployment", error) from error
        return _changed(invocation_id, verdict)

    async def restart_as_new(
        self, invocation_id: InvocationId, upto_index: int, deployment: str | None
    ) -> Changed:
        """Run an ended invocation again, as a new one."""
        try:
            verdict, new_id = await self._requests.restart_as_new(
                invocation_id, upto_index, deployment
            )
        except UnknownDeploymentError as error:
            raise bad_parameter("deployment", error) from error
        return _changed(invocation_id, verdict)._replace(new_id=new_id)


class InvocationEndpoints:
    """Endpoints for one invocation."""

    def __init__(self, invocations: Invocations) -> None:
        self._invocations = invocations

    async def show(self, request: Request) -> Response:
        """Show an invocation."""
        invocation_id = _invocation_id(request)
        row = await self._invocations.find(invocation_id)
        return json_response(show_invocation(invocation_id, row))

    async def show_journal(self, request: Request) -> Response:
        """Show the journal of an invocation, a page at a time."""
        invocation_id = _invocation_id(request)
        start = _index(request.query_params.get("from", "0"), bad_parameter("from", _NO_INDEX))
        entries = await self._invocations.journal(invocation_id, start, JOURNAL_PAGE)
        shown = [show_entry(index, entry) for index, entry in enumerate(entries, start)]
        return json_response(JournalDocument(shown))

    async def show_entry(self, request: Request) -> Response:
        """Show one entry of a journal."""
        invocation_id = _invocation_id(request)
        index = _index(request.path_params["index"], bad_field("index", _NO_INDEX))
        entries = await self._invocations.journal(invocation_id, index, 1)
        if not entries:
            text = invocation_text(invocation_id)
            raise missing(f"entry {index} in the journal of '{text}'")
        return json_response(show_entry(index, entries[0]))

    def changing(self, operation: str) -> Endpoint:
        """Make what cancels, kills, pauses or purges an invocation."""

        async def change(request: Request) -> Response:
            changed = await self._invocations.change(operation, _invocation_id(request))
            return Response(status_code=changed.status)

        return change

    async def terminate(self, request: Request) -> Response:
        """Cancel, kill or purge an invocation, the older way: always accepted."""
        invocation_id = _invocation_id(request)
        mode = request.query_params.get("mode", "cancel").lower()
        if mode not in ("cancel", "kill", "purge"):
            raise bad_parameter("mode", f"{mode!r} is none of cancel, kill, purge")
        with contextlib.suppress(AdminError):
            await self._invocations.change(mode, invocation_id)
        return Response(status_code=HTTPStatus.ACCEPTED)

    async def resume(self, request: Request) -> Response:
        """Go on with an invocation, perhaps on another deployment."""
        invocation_id = _invocation_id(request)
        deployment = check_deployment(request.query_params.get("deployment"))
        changed = await self._invocations.resume(invocation_id, deployment)
        return Response(status_code=changed.status)

    async def restart_as_new(self, request: Request) -> Response:
        """Run an ended invocation again, as a new one."""
        invocation_id = _invocation_id(request)
        deployment = check_deployment(request.query_params.get("deployment"))
        upto_index = _index(request.query_params.get("from", "0"), bad_parameter("from", _NO_INDEX))
        changed = await self._invocations.restart_as_new(invocation_id, upto_index, deployment)
        assert changed.new_id is not None, "a restart that succeeds has started an invocation"
        return json_response(RestartedDocument(invocation_text(changed.new_id)))


def check_deployment(
    text: str | None, blame: Callable[[str, object], AdminError] = bad_parameter
) -> str | None:
    """Read the deployment to go on with: ``latest``, ``keep``, an id, or None.

    Raises:
        AdminError: it is none of these; ``blame`` makes it of field and reason.
    """
    if text is None or text.lower() in ("latest", "keep"):
        return None if text is None else text.lower()
    try:
        return parse_deployment_id(text)
    except IdentifierError as error:
        raise blame("deployment", f"{error}; write latest, keep or an id") from error


def _changed(invocation_id: InvocationId, verdict: Verdict) -> Changed:
    """Tell what came of a change."""
    status = _DONE.get(verdict)
    if status is not None:
        return Changed(status)
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


def _index(text: str, error: AdminError) -> int:
    """Read the index of a journal entry, or raise an error."""
    if not text.isascii() or not text.isdigit() or len(text) > _INDEX_DIGITS_MAX:
        raise error
    if int(text) > _INDEX_MAX:
        raise error
    return int(text)
