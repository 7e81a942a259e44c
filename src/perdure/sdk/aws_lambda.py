"""An application on AWS Lambda: each invocation of the function is one whole request.

The body of the request holds the journal as far as it is known, and the attempt suspends where it
needs more (service protocol 1.8). The event loop lives as long as the function's process, so that
connections that the application's lifespan opens are kept between invocations.
"""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, TypedDict

from perdure.protocol.manifest import ProtocolMode
from perdure.sdk.app import App
from perdure.sdk.endpoint import Answer, Endpoint, EndpointRequest
from perdure.sdk.endpoint_attempt import WireAttempt

#: Lambda takes answers of up to 6 MiB; they are longer in base64.
COMPRESSED_FROM_BYTES: Final = 3 * 1024 * 1024
_NO_REQUEST: Final = (
    "the event has no httpMethod or no path, so it is not the request of a server: register the "
    "function by its ARN, and call its handlers through the server"
)


class LambdaResponse(TypedDict):
    """What Lambda gives back to the server."""

    statusCode: int
    headers: dict[str, str]
    body: str
    isBase64Encoded: bool


class LambdaHandler:
    """The function that Lambda calls; made by :func:`wrap_asgi_as_lambda_handler`.

    Args:
        endpoint: Answers the requests.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._runner = asyncio.Runner()
        self._zstd: Any = _zstandard()

    def __call__(self, event: Mapping[str, Any], _context: object = None) -> LambdaResponse:
        """Answer one invocation of the function.

        Raises:
            ValueError: the event is not the request of a server.
        """
        return self._runner.run(self._answer(event))

    def close(self) -> None:
        """Leave the application's lifespan and end the event loop."""
        if not self._endpoint.host.needs_startup:
            self._runner.run(self._endpoint.host.shutdown())
        self._runner.close()

    async def _answer(self, event: Mapping[str, Any]) -> LambdaResponse:
        if self._endpoint.host.needs_startup:
            await self._endpoint.host.startup()
        if "httpMethod" not in event or "path" not in event:
            raise ValueError(_NO_REQUEST)  # People read it, in AWS's console.
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        request = EndpointRequest(
            method=event["httpMethod"],
            path=event["path"],
            headers=headers,
            mode=ProtocolMode.REQUEST_RESPONSE,
            compression=None if self._zstd is None else "zstd",
        )
        woken = asyncio.Event()
        answer = self._endpoint.answer(request, woken.set)
        if isinstance(answer, Answer):
            return self._response(answer.status, answer.content_type, answer.body)
        try:
            body = self._body(event, headers)
        except ValueError as error:
            answer.attempt.abort()
            return self._problem(str(error))
        output = await _run(answer.attempt, body, woken)
        return self._response(200, answer.content_type, output, headers.get("accept-encoding", ""))

    def _body(self, event: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
        """Give the bytes of a request.

        Raises:
            ValueError: they cannot be read.
        """
        text = event.get("body") or ""
        body = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
        if headers.get("content-encoding") != "zstd":
            return body
        if self._zstd is None:
            raise ValueError("compressed requests need zstandard: pip install zstandard")
        try:
            reader = self._zstd.ZstdDecompressor().stream_reader(io.BytesIO(body))
            whole: bytes = reader.readall()
        except self._zstd.ZstdError as error:
            raise ValueError(
                f"the body of the request is not compressed with zstd: {error}"
            ) from error
        return whole

    def _response(
        self, status: int, content_type: str, body: bytes, accepted: str = ""
    ) -> LambdaResponse:
        headers = {
            "content-type": content_type,
            "x-restate-server": self._endpoint.server_header,
        }
        if len(body) > COMPRESSED_FROM_BYTES and self._zstd is not None and "zstd" in accepted:
            headers["content-encoding"] = "zstd"
            body = self._zstd.ZstdCompressor().compress(body)
        return {
            "statusCode": status,
            "headers": headers,
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }

    def _problem(self, message: str) -> LambdaResponse:
        problem = Answer.problem(400, message)
        return self._response(problem.status, problem.content_type, problem.body)


def wrap_asgi_as_lambda_handler(app: App) -> LambdaHandler:
    """Give the function that Lambda shall call for an application.

    Write ``handler = wrap_asgi_as_lambda_handler(app)`` in the function's module, and name
    ``module.handler`` as its handler.

    Raises:
        DefinitionError: a workflow has no main handler.
    """
    return LambdaHandler(app.endpoint())


async def _run(attempt: WireAttempt, body: bytes, woken: asyncio.Event) -> bytes:
    """Run an attempt from its whole input to its end."""
    loop = asyncio.get_running_loop()
    # Callbacks of their own: an attempt runs its handler's tasks, and a task must not step another.
    loop.call_soon(attempt.receive_data, body)
    loop.call_soon(attempt.receive_eof)
    while not attempt.over:
        await woken.wait()
        woken.clear()
    return attempt.data_to_send()


def _zstandard() -> Any:
    """Give the package that compresses, if it is there."""
    try:
        return import_module("zstandard")
    except ModuleNotFoundError:
        return None
