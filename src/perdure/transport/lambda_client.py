"""Exchanges with functions on AWS Lambda: each is one synchronous invocation.

What is said is gathered until it is complete; what the function answers is told at once.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from perdure.core.model.lambda_arns import LambdaArn
from perdure.engine.memory import Memory
from perdure.transport.addresses import parse_address
from perdure.transport.aws import Aws, AwsError, AwsOptions, SignedRequest
from perdure.transport.client_http import HttpClient
from perdure.transport.discovery import Answer, Collector
from perdure.transport.exchanges import PIECE_BYTES, Exchange, Listener, LostError, Request
from perdure.transport.lambda_envelope import ANSWER_BYTES_MAX, read_reply, write_event
from perdure.transport.network import NetworkOptions

#: Requests that are signed, or answers that are unpacked, at the same time.
THREADS: Final = 4
#: Answers up to this length are unpacked where they arrive.
_SHORT_BYTES: Final = 64 * 1024
#: How often a request is held while its function runs: as it is, and in the event made of it.
EVENT_COPIES: Final = 3
_HEADERS: Final = {"content-type": "application/json", "x-amz-invocation-type": "RequestResponse"}

logger = logging.getLogger("perdure.transport")


class LambdaOptions(Struct, frozen=True, kw_only=True):
    """How functions are invoked."""

    aws: AwsOptions = AwsOptions()
    #: Requests of so many bytes are compressed, if the function can read that.
    compress_from: int = 4 * 1024 * 1024
    connect_timeout_s: float = 10.0


class Function(Struct, frozen=True):
    """A function, and how to invoke it."""

    arn: LambdaArn
    #: ARN of the role to assume for it.
    role: str | None
    #: Whether it reads and writes what is compressed.
    compresses: bool


class LambdaClient:
    """Invokes functions. Lives on one event loop."""

    def __init__(self, options: LambdaOptions) -> None:
        self._options = options
        self._aws = Aws(options.aws)
        self._http: HttpClient | None = None
        self._threads = ThreadPoolExecutor(THREADS, "perdure-lambda")
        self._calls: set[asyncio.Task[None]] = set()

    def open(
        self, function: Function, request: Request, listener: Listener, memory: Memory
    ) -> Exchange:
        """Begin an exchange; the function is invoked when its request is complete."""
        exchange = Exchange(request, listener, memory)
        exchange.carry(_Call(self, function, exchange))
        return exchange

    def start(self, call: _Call, body: bytes) -> asyncio.Task[None]:
        """Invoke a function on behalf of an exchange."""
        task = asyncio.get_running_loop().create_task(call.run(body))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return task

    async def invoke(self, function: Function, request: Request, body: bytes) -> Answer:
        """Invoke a function with a whole request; give its whole answer.

        Raises:
            AwsError: the request cannot be signed.
            LostError: there is no answer of the function's.
        """
        loop = asyncio.get_running_loop()
        prepared = loop.run_in_executor(self._threads, self._prepare, function, request, body)
        signed, payload = await prepared
        if self._http is None:
            ca_file = await loop.run_in_executor(self._threads, self._aws.ca_file)
            # Another first invocation may have come as far meanwhile: there is one client for all.
            self._http = self._http or self._client(ca_file)
        answer = await _send(self._http, signed, payload)
        if len(answer.body) <= _SHORT_BYTES:
            return read_reply(answer)
        return await loop.run_in_executor(self._threads, read_reply, answer)

    async def close(self) -> None:
        """Give up what is under way; functions that run cannot be stopped, and go on."""
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _client(self, ca_file: Path | None) -> HttpClient:
        return HttpClient(
            NetworkOptions(
                connect_timeout_s=self._options.connect_timeout_s,
                # Where AWS is, only whoever runs this server can say.
                allow_link_local=True,
                ca_file=ca_file,
            )
        )

    def _prepare(
        self, function: Function, request: Request, body: bytes
    ) -> tuple[SignedRequest, bytes]:
        compress_from = self._options.compress_from if function.compresses else None
        payload = write_event(request, body, compress_from)
        arn = function.arn
        qualifier = urlencode({"Qualifier": arn.qualifier})
        path = f"/2015-03-31/functions/{quote(arn.function, safe='')}/invocations?{qualifier}"
        signed = self._aws.sign("lambda", arn.region, function.role, path, _HEADERS, payload)
        return signed, payload


class _Call:
    """What carries an exchange: one invocation of a function."""

    def __init__(self, client: LambdaClient, function: Function, exchange: Exchange) -> None:
        self._client = client
        self._function = function
        self._exchange = exchange
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Invoke the function, if the request is complete."""
        exchange = self._exchange
        if not exchange.ended or self._task is not None:
            return
        pieces = []
        while not exchange.drained:
            pieces.append(exchange.take(PIECE_BYTES))
        body, memory = b"".join(pieces), exchange.memory
        held = EVENT_COPIES * len(body)
        memory.held += held
        self._task = self._client.start(self, body)
        self._task.add_done_callback(lambda _: memory.release(held))

    def cancel(self) -> None:
        """Give up."""
        if self._task is not None:
            self._task.cancel()

    async def run(self, body: bytes) -> None:
        """Invoke the function, and tell the exchange what it answered."""
        exchange = self._exchange
        try:
            answer = await self._client.invoke(self._function, exchange.request, body)
        except (AwsError, LostError) as error:
            exchange.lose(LostError(str(error)))
            return
        except Exception as error:  # a defect costs one attempt, which must learn of it
            logger.exception("the invocation of a function failed unexpectedly")
            exchange.lose(LostError(f"the function could not be invoked: {error!r}"))
            return
        exchange.hear_head(answer.status, answer.headers)
        if answer.body:
            exchange.hear_data(answer.body)
        exchange.hear_end()


async def _send(http: HttpClient, signed: SignedRequest, payload: bytes) -> Answer:
    """Send a signed request; give the answer of AWS."""
    address = parse_address(signed.url, http2=False)
    length = ("content-length", str(len(payload)))
    headers = (*((name.lower(), value) for name, value in signed.headers.items()), length)
    collector = Collector(2 * ANSWER_BYTES_MAX)
    request = Request("POST", address.path(""), headers)
    exchange = http.open(address.origin, request, collector)
    exchange.send(payload)
    exchange.end()
    try:
        return await collector.answer
    finally:
        exchange.cancel()
