"""What can be asked of the admin API: operations, from which routes and their description are made.

What is not declared here is not served, and what is served is described: there is one list.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from msgspec import Struct, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]
#: Waits until all of the server goes by what was changed.
Settled = Callable[[], Awaitable[None]]

OK = HTTPStatus.OK
CREATED = HTTPStatus.CREATED
ACCEPTED = HTTPStatus.ACCEPTED


class Parameter(Struct, frozen=True):
    """A parameter of the query, which may be left out."""

    name: str
    description: str
    #: What it may be, if that can be listed.
    choices: tuple[str, ...] = ()


class Operation(Struct, frozen=True, kw_only=True):
    """One method on one path."""

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    #: Type of the JSON body; None takes none.
    body: Any = None
    #: Type of the JSON document by status; None sends none.
    answers: Mapping[int, Any] = field(default_factory=lambda: {OK: None})
    query: tuple[Parameter, ...] = ()

    @property
    def tag(self) -> str:
        """The group to which it belongs: the first word of its path."""
        return self.path.split("/")[1]


def make_routes(operations: Iterable[Operation], settled: Settled) -> list[Route]:
    """Make one route a path, so that a wrong method is told which ones there are.

    Args:
        operations: what is served.
        settled: is waited for before a change is answered.
    """
    by_path: dict[str, dict[str, Endpoint]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation.endpoint
    return [
        Route(path, _dispatcher(endpoints, settled), methods=list(endpoints))
        for path, endpoints in by_path.items()
    ]


def _dispatcher(endpoints: Mapping[str, Endpoint], settled: Settled) -> Endpoint:
    async def dispatch(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        response = await endpoints[method](request)
        if method != "GET":
            await settled()
        return response

    return dispatch
