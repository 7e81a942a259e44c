"""Endpoints that change services: their options, and the state of their objects."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.bodies import read_body, read_duration
from perdure.admin.documents import SERVICE_TYPES, show_service
from perdure.admin.errors import AdminError, bad_value, missing
from perdure.admin.responses import json_response
from perdure.core.model.overrides import Overrides
from perdure.core.model.verdicts import Verdict
from perdure.engine.configurator import Configurator
from perdure.engine.reception import Reception
from perdure.protocol.manifest import ServiceType

#: Longest document with a state; the engine does nothing else while it is read.
STATE_BYTES_MAX: Final = 8 * 1024 * 1024

_DURATIONS: Final = (
    "idempotency_retention",
    "workflow_completion_retention",
    "journal_retention",
    "inactivity_timeout",
    "abort_timeout",
)

Byte = Annotated[int, Meta(ge=0, le=255)]


class ServiceChange(Struct):
    """Options of a service; what is left out or null stays as it is.

    Durations are written as ``1h 30m`` or ``PT1H30M``.
    """

    public: bool | None = None
    idempotency_retention: str | None = None
    workflow_completion_retention: str | None = None
    journal_retention: str | None = None
    inactivity_timeout: str | None = None
    abort_timeout: str | None = None


class StateChange(Struct):
    """The whole new state of an object; values as bytes, or as text."""

    object_key: str
    new_state: dict[str, list[Byte] | str]
    #: Hash of the state that may be replaced.
    version: str | None = None
    scope: str | None = None


class Services:
    """Changes services, through the engine."""

    def __init__(self, requests: Reception, configurator: Configurator) -> None:
        self._requests = requests
        self._configurator = configurator

    async def configure(self, request: Request) -> Response:
        """Set options of a service, until its next revision."""
        name = request.path_params["service"]
        checks = {field: partial(read_duration, field) for field in _DURATIONS}
        body = await read_body(request, ServiceChange, checks=checks)
        service = self._requests.registry.services.get(name)
        if service is None:
            raise AdminError(
                HTTPStatus.NOT_FOUND,
                f"not found in the schema registry: service with name '{name}'",
            )
        durations = {
            f"{field}_ms": read_duration(field, getattr(body, field)) for field in _DURATIONS
        }
        is_workflow = service.type is ServiceType.WORKFLOW
        if body.workflow_completion_retention is not None and not is_workflow:
            raise AdminError(
                HTTPStatus.BAD_REQUEST,
                f"modifying retention time for service type {SERVICE_TYPES[service.type]} is "
                "unsupported",
            )
        registry = self._configurator.configure(name, Overrides(public=body.public, **durations))
        return json_response(show_service(registry, registry.services[name]))

    async def change_state(self, request: Request) -> Response:
        """Replace the state of an object or workflow, in turn behind whoever holds its key.

        What a service left that was removed can still be cleared.
        """
        name = request.path_params["service"]
        body = await read_body(request, StateChange, STATE_BYTES_MAX, {"scope": _refuse_scope})
        service = self._requests.registry.services.get(name)
        if service is None and body.new_state:
            raise missing(f"service '{name}'")
        if service is not None and service.type is ServiceType.SERVICE:
            raise AdminError(HTTPStatus.BAD_REQUEST, "Cannot modify state for service type Service")
        state = {
            key.encode(): value.encode() if isinstance(value, str) else bytes(value)
            for key, value in body.new_state.items()
        }
        verdict = await self._requests.mutate_state(name, body.object_key, state, body.version)
        if verdict is Verdict.STATE_CHANGED:
            raise AdminError(
                HTTPStatus.CONFLICT,
                f"the state of '{name}/{body.object_key}' has another version than the one that "
                "was to be replaced; read it again and decide anew",
            )
        return Response(status_code=HTTPStatus.ACCEPTED)


def _refuse_scope(_scope: str) -> None:
    raise bad_value("scope", "this server has no scopes; leave it out")
