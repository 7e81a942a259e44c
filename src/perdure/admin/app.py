"""The admin API as an ASGI application.

Every path exists without a prefix and under the versions of the API that clients may ask for; the
part of the API that is here is the same in all of them. Errors are JSON throughout.
"""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from perdure.admin.catalog import Catalog
from perdure.admin.deployments import Deployments
from perdure.admin.errors import AdminError
from perdure.admin.invocations import Invocations
from perdure.admin.responses import error_response, json_response
from perdure.engine.errors import RefusalError
from perdure.engine.registrar import Registrar
from perdure.engine.requests import Requests

API_VERSION_MIN: Final = 2
API_VERSION_MAX: Final = 4

#: Name and whether it is there, of what clients may ask for by version of the server.
_FEATURES: Final = {"protocol_v7": True, "scoped_virtual_objects": False, "vqueues": False}


def create_admin(
    requests: Requests, ingress_url: str | None = None, registrar: Registrar | None = None
) -> Starlette:
    """Make the admin API.

    Args:
        requests: the engine.
        ingress_url: where requests to handlers go, for clients that ask.
        registrar: what registers deployments; without one, they are only shown.
    """
    routes = _routes(requests, ingress_url) + _registration(registrar)
    # The oldest version discovered a known address anew unless told not to.
    oldest = _routes(requests, ingress_url) + _registration(registrar, force_by_default=True)
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
            HTTPException: _answer_error,
            Exception: _answer_error,
        },
    )
    application.router.redirect_slashes = False
    return application


def _routes(requests: Requests, ingress_url: str | None) -> list[Route]:
    catalog = Catalog(requests)
    invocations = Invocations(requests)
    about = {
        "version": _own_version(),
        "min_admin_api_version": API_VERSION_MIN,
        "max_admin_api_version": API_VERSION_MAX,
        "ingress_endpoint": ingress_url,
        "features": _FEATURES,
    }

    async def show_health(_request: Request) -> Response:
        return Response()

    async def show_version(_request: Request) -> Response:
        return json_response(about)

    one = "/invocations/{invocation_id}"
    return [
        Route("/health", show_health),
        Route("/version", show_version),
        Route("/deployments", catalog.deployments),
        Route("/deployments/{deployment}", catalog.deployment),
        Route("/services", catalog.services),
        Route("/services/{service}", catalog.service),
        Route("/services/{service}/handlers", catalog.handlers),
        Route("/services/{service}/handlers/{handler}", catalog.handler),
        Route(one, invocations.show_or_terminate, methods=["GET", "DELETE"]),
        Route(f"{one}/resume", invocations.resume, methods=["PATCH"]),
        Route(f"{one}/restart-as-new", invocations.restart_as_new, methods=["PATCH"]),
        Route(f"{one}/{{operation}}", invocations.change, methods=["PATCH"]),
    ]


def _registration(registrar: Registrar | None, *, force_by_default: bool = False) -> list[Route]:
    if registrar is None:
        return []
    deployments = Deployments(registrar, force_by_default=force_by_default)
    one = "/deployments/{deployment}"
    return [
        Route("/deployments", deployments.register, methods=["POST"]),
        Route(one, deployments.amend, methods=["PATCH", "PUT"]),
        Route(one, deployments.remove, methods=["DELETE"]),
    ]


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
            return error_response(error.status, str(error), error.code)
        case RefusalError():
            retry_after = {"retry-after": str(error.retry_after_s)}
            return error_response(error.status, str(error), headers=retry_after)
        case HTTPException():
            return error_response(error.status_code, error.detail, headers=error.headers)
        case _:
            return error_response(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; the server's log says more"
            )


def _own_version() -> str:
    try:
        return version("perdure")
    except PackageNotFoundError:
        return "0.0.0"  # run from sources that were never installed
