"""The services of one application, ready to run attempts of their handlers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any, Final

from perdure.protocol.manifest import Manifest
from perdure.protocol.messages import Outcome, Value
from perdure.protocol.session import Session, Sink
from perdure.sdk.attempt import Attempt
from perdure.sdk.coded_session import CodedSession
from perdure.sdk.context import CURRENT, Context
from perdure.sdk.context_kinds import CONTEXTS
from perdure.sdk.definitions import Handler, ServiceDefinition
from perdure.sdk.errors import TerminalError
from perdure.sdk.exits import refuse
from perdure.sdk.failures import retryable_of, told
from perdure.sdk.hints import ResultHints
from perdure.sdk.journal_codec import CodecSource
from perdure.sdk.machine.syscalls import Machine
from perdure.sdk.outcomes import failure_of, terminal_of, value_of

_BAD_REQUEST: Final = 400

_NO_HEADERS: Final[Mapping[str, str]] = {}

Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
#: Runs a handler for an attempt.
Run = Callable[[Attempt], Coroutine[object, object, None]]


def wall_clock_ms() -> int:
    """Give the milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Host:
    """Implements :class:`perdure.protocol.session.ServiceHost`.

    Args:
        services: The services to run.
        manifest: What discovery says of them.
        lifespan: Makes what is entered before the first attempt and left after the last.
        now_ms: Gives the milliseconds since 1970.
        codec: Where the codec of journal values comes from, if there is one.
    """

    def __init__(
        self,
        services: Iterable[ServiceDefinition],
        manifest: Manifest,
        lifespan: Lifespan | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
        codec: CodecSource | None = None,
    ) -> None:
        self._manifest = manifest
        hints = ResultHints()
        #: Each with what runs it: putting that together once takes as long as a call.
        self._handlers: dict[tuple[str, str], tuple[Handler, Run]] = {
            (service.name, name): (
                handler,
                partial(_handle, handler, CONTEXTS[handler.kind], hints),
            )
            for service in services
            for name, handler in service.handlers.items()
        }
        self._lifespan = lifespan
        self._entered: AbstractAsyncContextManager[Any] | None = None
        self._now_ms = now_ms
        self._codec = codec

    def manifest(self) -> Manifest:
        """Say what is served here."""
        return self._manifest

    @property
    def needs_startup(self) -> bool:
        """Whether the application has a lifespan that is not entered."""
        return self._lifespan is not None and self._entered is None

    async def startup(self) -> None:
        """Enter the application's lifespan, if it has one."""
        if self._lifespan is not None:
            entered = self._lifespan()
            await entered.__aenter__()
            self._entered = entered

    async def shutdown(self) -> None:
        """Leave the application's lifespan."""
        entered, self._entered = self._entered, None
        if entered is not None:
            await entered.__aexit__(None, None, None)

    def open(
        self,
        service: str,
        handler: str,
        protocol_version: int,
        sink: Sink,
        attempt_headers: Mapping[str, str] | None = None,
    ) -> Session:
        """Begin an attempt.

        Args:
            service: Name of the service.
            handler: Name of its handler.
            protocol_version: The service protocol's version that the invocation runs with.
            sink: Takes the messages for the server.
            attempt_headers: Headers with which the server opened the attempt.

        Raises:
            LookupError: there is no such service or handler.
        """
        found = self._handlers.get((service, handler))
        if found is None:
            raise LookupError(f"there is no handler {service}/{handler} here")
        definition, run = found
        headers = _NO_HEADERS if attempt_headers is None else attempt_headers
        if self._codec is None:
            return Attempt(protocol_version, run, sink, self._now_ms, headers)

        def attempt(sink: Sink) -> Attempt:
            return Attempt(protocol_version, run, sink, self._now_ms, headers)

        return CodedSession(attempt, sink, self._codec, takes_input=definition.takes_input)


async def _handle(
    handler: Handler,
    context_class: type[Context],
    hints: ResultHints,
    attempt: Attempt,
) -> None:
    """Run a handler from its input to its outcome, and tell the machine of that."""
    machine = attempt.machine
    try:
        request = machine.input()
        context = context_class(attempt, request, hints)
        CURRENT.set(context)
        outcome: Outcome
        try:
            if handler.context_managers:
                outcome = await _managed(handler, context, request.value.content)
            else:
                result = await _begun(handler, context, request.value.content)
                outcome = value_of(handler.output_serde.serialize, result)
        except Exception as error:
            terminal = terminal_of(error)
            if terminal is None:
                raise
            outcome = failure_of(terminal)
        except SystemExit as error:
            refuse(error)
        if type(outcome) is Value:
            attempt.check_all_awaited()
        machine.finish(outcome)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - told to the server, which retries
        # If the attempt is over already (suspended, aborted, failed), this is but how the handler
        # came to know of it.
        if not machine.closed:
            _fail(machine, error)


async def _managed(handler: Handler, context: Context, content: bytes) -> Value:
    """Run a handler to its value, within its context managers."""
    async with AsyncExitStack() as stack:
        for manager in handler.context_managers:
            await stack.enter_async_context(manager())
        result = await _begun(handler, context, content)
        return value_of(handler.output_serde.serialize, result)
    raise AssertionError("a context manager has swallowed the handler's error")


def _begun(handler: Handler, context: Context, content: bytes) -> Awaitable[Any]:
    """Call a handler's function with its input."""
    if not handler.takes_input:
        return handler.fn(context)
    try:
        argument = handler.input_serde.deserialize(content)
    except Exception as error:
        raise TerminalError(
            f"The input of {handler.service}/{handler.name} cannot be read: {error}", _BAD_REQUEST
        ) from error
    return handler.fn(context, argument)


def _fail(machine: Machine, error: BaseException) -> None:
    """Tell the server of a failure that it may retry."""
    said = told(error, retryable_of(error))
    machine.fail_with(said.code, said.message, said.stacktrace, said.retry_after_ms)
