"""Endpoints for the rules of flow control, and for its queues, of which there are none yet.

Rules are kept, shown and changed; they limit invocations with a scope, which the ingress does not
take yet. So there are no queues that could be paused: a request to is accepted, and has no effect.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.bodies import Wrong, read_list, unprocessable
from perdure.admin.errors import AdminError, bad_field
from perdure.admin.responses import json_response
from perdure.core.model.rules import (
    CONCURRENCY_MAX,
    DESCRIPTION_LENGTH_MAX,
    Anything,
    PatternError,
    Precondition,
    Rule,
    RuleConflictError,
    RuleError,
    RuleOrder,
    RuleRemoval,
    parse_pattern,
)
from perdure.engine.configurator import Configurator
from perdure.protocol.ids import IdentifierError, parse_invocation_id

#: What patterns look like is told to clients, but checked by what knows why one is wrong.
_PatternText = Annotated[
    str,
    Meta(
        extra_json_schema={
            "pattern": r"^(\*|[a-zA-Z0-9_.\-]{1,36})(/(\*|[a-zA-Z0-9_.\-]{1,36})){0,2}$"
        }
    ),
]
_Limit = Annotated[int, Meta(ge=1, le=CONCURRENCY_MAX)]
_Version = Annotated[int, Meta(ge=0, le=CONCURRENCY_MAX)]
_Description = Annotated[str, Meta(max_length=DESCRIPTION_LENGTH_MAX)]


class LimitsChange(Struct, frozen=True):
    """Limits of a rule; null, or nothing, sets none."""

    concurrency: _Limit | None = None


class RuleChange(Struct):
    """A rule as it is to be, if it is now as the precondition says."""

    pattern: _PatternText
    limits: LimitsChange = LimitsChange()
    description: _Description | None = None
    disabled: bool = False
    precondition: Precondition = Anything()


class RuleDeletion(Struct):
    """A rule that is to go; with a version, only if it is of that one."""

    pattern: _PatternText
    expected_version: _Version | None = None


class LimitsDocument(Struct):
    """Limits of a rule; what is missing sets none."""

    concurrency: int | UnsetType = UNSET


class RuleDocument(Struct, kw_only=True):
    """A rule."""

    pattern: str
    limits: LimitsDocument
    description: str | UnsetType = UNSET
    disabled: bool
    version: int
    last_modified_millis_since_epoch: int


class Rules:
    """Changes the rule book, which is read in SQL."""

    def __init__(self, configurator: Configurator) -> None:
        self._configurator = configurator

    async def put(self, request: Request) -> Response:
        """Set rules, all of them or none."""
        changes = await read_list(request, RuleChange, {"pattern": _check_pattern})
        orders = [
            RuleOrder(
                parse_pattern(change.pattern),
                change.limits.concurrency,
                change.description,
                change.disabled,
                change.precondition,
            )
            for change in changes
        ]
        try:
            rules = self._configurator.set_rules(orders)
        except RuleError as error:
            raise _refused(error) from error
        return json_response([_show(rule) for rule in rules])

    async def delete(self, request: Request) -> Response:
        """Remove rules, all of them or none; tell which were there."""
        deletions = await read_list(request, RuleDeletion, {"pattern": _check_pattern})
        removals = [
            RuleRemoval(parse_pattern(deletion.pattern), deletion.expected_version)
            for deletion in deletions
        ]
        try:
            removed = self._configurator.remove_rules(removals)
        except RuleError as error:
            raise _refused(error) from error
        return json_response(removed)


async def change_queue(request: Request) -> Response:
    """Accept to pause or resume a queue: those that could be are not there."""
    try:
        check_queue_id(request.path_params["vqueue_id"])
    except IdentifierError as error:
        raise bad_field("vqueue_id", error) from error
    return Response(status_code=HTTPStatus.ACCEPTED)


def check_queue_id(text: str) -> None:
    """Refuse what is not the id of a queue: an invocation's, but for the prefix.

    Raises:
        IdentifierError: the text has another form.
    """
    prefix, _, rest = text.partition("_")
    if prefix != "vq":
        raise IdentifierError("bad format")
    parse_invocation_id(f"inv_{rest}")


def _check_pattern(text: str) -> None:
    try:
        parse_pattern(text)
    except PatternError as error:
        raise unprocessable([Wrong("pattern", str(error))]) from error


def _show(rule: Rule) -> RuleDocument:
    return RuleDocument(
        pattern=rule.pattern,
        limits=LimitsDocument(UNSET if rule.concurrency is None else rule.concurrency),
        description=UNSET if rule.description is None else rule.description,
        disabled=rule.disabled,
        version=rule.version,
        last_modified_millis_since_epoch=rule.modified_at,
    )


def _refused(error: RuleError) -> AdminError:
    conflict = isinstance(error, RuleConflictError)
    status = HTTPStatus.CONFLICT if conflict else HTTPStatus.UNPROCESSABLE_ENTITY
    return AdminError(status, str(error))
