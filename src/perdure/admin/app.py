"""The admin API as an ASGI application.

Every path exists without a prefix and under the versions of the API that clients may ask for; the
part of the API that is here is the same in all of them. Errors are JSON throughout.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from perdure.admin.about import API_VERSION_MAX, API_VERSION_MIN, own_version
from perdure.admin.errors import AdminError
from perdure.admin.openapi import describe
from perdure.admin.operations import Operation, Settled, make_routes
from perdure.admin.responses import error_response, json_response
from perdure.admin.table import Parts, list_operations
from perdure.engine.configurator import Configurator
from perdure.engine.errors import RefusalError
from perdure.engine.ports import StorageError
from perdure.engine.reception import Reception
from perdure.engine.registrar import Registrar

logger = logging.getLogger("perdure.admin")


async def _at_once() -> None:
    """Wait for nobody: the server is one process."""


def create_admin(
    requests: Reception,
    ingress_url: str | None = None,
    registrar: Registrar | None = None,
    configurator: Configurator | None = None,
    more: Sequence[Operation] = (),
    cluster_name: str = "localcluster",
    settled: Settled = _at_once,
) -> Starlette:
    """Make the admin API.

    Args:
        requests: the engine.
        ingress_url: where requests to handlers go, for clients that ask.
        registrar: what registers deployments; without one, they are only shown.
        configurator: what sets options and keeps subscriptions; without one, there is no changing.
        more: operations of other parts of the server.
        cluster_name: what clients are told that they talk to.
        settled: waits until all processes of the server go by what was changed.
    """
    parts = Parts(
        requests=requests,
        ingress_url=ingress_url,
        registrar=registrar,
        configurator=configurator,
        cluster_name=cluster_name,
    )
    routes = _routes([*list_operations(parts, force_by_default=False), *more], settled)
    # The oldest version discovered a known address anew unless told not to.
    oldest = _routes([*list_operations(parts, force_by_default=True), *more], settled)
    newer = range(API_VERSION_MIN + 1, API_VERSION_MAX + 1)
    application = Starlette(
        routes=[
            *routes,
            Mount(f"/v{API_VERSION_MIN}", routes=oldest),
            *(Mount(f"/v{number}", routes=routes) for number in newer),
            Route("/v1/{path:path}", _refuse_version),
        ],
        exception_handlers={
            AdminError: _answer_error,
            RefusalError: _answer_error,
            StorageError: _answer_error,
            HTTPException: _answer_error,
            Exception: _answer_error,
        },
    )
    application.router.redirect_slashes = False
    return application


def _routes(operations: Sequence[Operation], settled: Settled) -> list[Route]:
    """Make the routes of operations, and one that describes them."""
    # Making the description takes longer than starting a server; few ever ask for it.
    description = cache(lambda: json_response(describe(operations, own_version())))

    async def show_openapi(_request: Request) -> Response:
        return description()

    return [*make_routes(operations, settled), Route("/openapi", show_openapi)]


async def _refuse_version(_request: Request) -> Response:
    raise AdminError(
        HTTPStatus.BAD_REQUEST,
        f"version 1 of the admin API is not served; use /v{API_VERSION_MIN} to "
        f"/v{API_VERSION_MAX}, or no version at all",
    )


async def _answer_error(_request: Request, error: Exception) -> Response:
    """Turn an error into JSON; one that nobody foresaw is told to the log by the server."""
    match error:
        case AdminError():
            return error_response(error.status, str(error), error.code, fields=error.fields)
        case RefusalError():
            retry_after = {"retry-after": str(error.retry_after_s)}
            return error_response(error.status, str(error), headers=retry_after)
        case StorageError():
            logger.error("a change of the registry is lost: %s", error)
            return error_response(
                HTTPStatus.SERVICE_UNAVAILABLE, "the change could not be stored; nothing changed"
            )
        case HTTPException():
            return error_response(error.status_code, error.detail, headers=error.headers)
        case _:
            return error_response(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; the server's log says more"
            )
