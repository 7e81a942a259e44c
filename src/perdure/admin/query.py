"""``POST /query``: SQL in, rows out, as JSON or an Arrow stream, for as long as a client reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from perdure.admin.errors import AdminError
from perdure.admin.operations import OK, Operation
from perdure.query.columns import QueryError
from perdure.query.queries import Queries

#: A query longer than this, in bytes, is not one that a person or a client of ours wrote.
QUERY_BYTES_MAX: Final = 256 * 1024

_JSON: Final = "application/json"
_ARROW: Final = "application/vnd.apache.arrow.stream"


class QueryRequest(Struct, frozen=True):
    """The body of a request."""

    #: The query, in SQL.
    query: str


class RowsDocument(Struct, frozen=True):
    """An answer as JSON: rows by column, without what is null."""

    rows: list[dict[str, Any]]


def query_operation(queries: Queries) -> Operation:
    """Give the operation that answers queries."""

    async def query(request: Request) -> Response:
        sql = await _read_query(request)
        return QueryResponse(queries, sql, as_json=request.headers.get("accept") == _JSON)

    return Operation(
        method="POST",
        path="/query",
        endpoint=query,
        summary="Answer a SQL query: as JSON if exactly that is accepted, else as an Arrow stream",
        body=QueryRequest,
        answers={OK: RowsDocument},
    )


class QueryResponse(Response):
    """An answer that is made while it is sent; a client that goes away ends its query."""

    def __init__(self, queries: Queries, sql: str, *, as_json: bool) -> None:
        super().__init__(media_type=_JSON if as_json else _ARROW)
        del self.headers["content-length"]
        self._pieces = queries.answer(sql, as_json=as_json)

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer.

        Raises:
            AdminError: the query cannot be answered, and nothing was sent.
            RefusalError: likewise, for now.
        """
        answering = asyncio.ensure_future(self._answer(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
        if not answering.cancelled():
            answering.result()

    async def _answer(self, send: Send) -> None:
        async with aclosing(_translated(self._pieces)) as pieces:
            # Until there is something to show, what goes wrong has a status of its own.
            first = await anext(pieces)
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _translated(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
    except QueryError as error:
        raise AdminError(HTTPStatus.BAD_REQUEST, str(error)) from error


async def _read_query(request: Request) -> str:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > QUERY_BYTES_MAX:
            raise AdminError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body is larger than {QUERY_BYTES_MAX} bytes; send a shorter query",
            )
    try:
        return msgspec.json.decode(body, type=QueryRequest).query
    except msgspec.ValidationError as error:
        raise AdminError(
            HTTPStatus.UNPROCESSABLE_ENTITY, f'{error}; send {{"query": "SELECT …"}}'
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AdminError(
            HTTPStatus.BAD_REQUEST, f'the body is not JSON: {error}; send {{"query": "SELECT …"}}'
        ) from error


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
