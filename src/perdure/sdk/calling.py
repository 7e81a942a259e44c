"""Calls and sends: how they are issued, and what stands for the invocations they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from msgspec import Struct

from perdure.sdk.attempt import Attempt
from perdure.sdk.definitions import Handler, HandlerKind, HandlerType, handler_from_callable
from perdure.sdk.durations import milliseconds
from perdure.sdk.errors import ContextMisuseError
from perdure.sdk.futures import DurableFuture
from perdure.sdk.machine.handles import Handle
from perdure.sdk.machine.requests import Request
from perdure.sdk.texts import check_text

T = TypeVar("T")


class Invoked:
    """An invocation that this handler began."""

    __slots__ = ("_attempt", "_id", "_id_handle")

    def __init__(self, attempt: Attempt, id_handle: Handle) -> None:
        self._attempt = attempt
        self._id_handle = id_handle
        self._id: DurableFuture[str] | None = None

    async def invocation_id(self) -> str:
        """Give the invocation's id."""
        if self._id is None:
            self._attempt.enter()
            self._id = DurableFuture(self._attempt.waits, self._id_handle)
        return await self._id

    async def cancel_invocation(self) -> None:
        """Ask the invocation to cancel itself."""
        invocation_id = await self.invocation_id()
        self._attempt.enter().cancel(invocation_id)


class SendHandle(Invoked):
    """An invocation whose result this handler does not wait for."""

    __slots__ = ()


class DurableCallFuture(DurableFuture[T]):
    """The result of a call."""

    __slots__ = ("_invoked",)

    def __init__(
        self,
        attempt: Attempt,
        handles: tuple[Handle, Handle],
        decode: Callable[[bytes], Any] | None,
    ) -> None:
        super().__init__(attempt.waits, handles[1], decode)
        self._invoked = Invoked(attempt, handles[0])

    async def invocation_id(self) -> str:
        """Give the id of the invocation that was called."""
        return await self._invoked.invocation_id()

    async def cancel_invocation(self) -> None:
        """Ask the invocation that was called to cancel itself."""
        await self._invoked.cancel_invocation()


class CallOptions(Struct, frozen=True, gc=False):
    """What goes with a call besides its target and input."""

    key: str | None = None
    idempotency_key: str | None = None
    headers: dict[str, str] | None = None
    scope: str | None = None
    limit_key: str | None = None


def call(
    attempt: Attempt, tpe: HandlerType[Any, Any], arg: Any, options: CallOptions
) -> DurableCallFuture[Any]:
    """Call a handler that this program knows."""
    machine = attempt.enter()
    handler = _callee(tpe, options)
    parameter = handler.input_serde.serialize(arg) if handler.takes_input else b""
    handles = machine.call(request_to(handler.service, handler.name, parameter, options))
    return DurableCallFuture(attempt, handles, handler.output_serde.deserialize)


def send(
    attempt: Attempt,
    tpe: HandlerType[Any, Any],
    arg: Any,
    delay: timedelta | None,
    options: CallOptions,
) -> SendHandle:
    """Send a request to a handler that this program knows."""
    machine = attempt.enter()
    handler = _callee(tpe, options)
    parameter = handler.input_serde.serialize(arg) if handler.takes_input else b""
    request = request_to(handler.service, handler.name, parameter, options)
    return SendHandle(attempt, machine.send(request, invoke_time(attempt, delay)))


def request_to(service: str, handler: str, parameter: bytes, options: CallOptions) -> Request:
    """Put a request together.

    Raises:
        ContextMisuseError: an option says nothing, or something is of the wrong type.
    """
    _check_types(service, handler, parameter, options)
    if options.idempotency_key == "":
        raise ContextMisuseError(
            f"The call of {service}/{handler} has an empty idempotency key: give it a text that "
            "tells the request from others, or leave it out"
        )
    if options.scope is not None or options.limit_key is not None:
        _check_scope(service, handler, options)
    return Request(
        service=service,
        handler=handler,
        parameter=parameter,
        key=options.key or "",
        headers=tuple(options.headers.items()) if options.headers else (),
        idempotency_key=options.idempotency_key,
        scope=options.scope,
        limit_key=options.limit_key,
    )


def _callee(tpe: HandlerType[Any, Any], options: CallOptions) -> Handler:
    """Give the handler that is called, if the call has a key just when the handler does.

    Raises:
        ContextMisuseError: only one of them has.
    """
    handler = handler_from_callable(tpe)
    if options.key is None and handler.kind is not HandlerKind.SERVICE:
        raise ContextMisuseError(
            f"{handler.service}/{handler.name} belongs to a key: name it, with `object_call`, "
            "`object_send`, `workflow_call` or `workflow_send`"
        )
    if options.key is not None and handler.kind is HandlerKind.SERVICE:
        raise ContextMisuseError(
            f"{handler.service}/{handler.name} belongs to a plain service, which has no keys: "
            "write `service_call` or `service_send`"
        )
    return handler


def _check_types(service: str, handler: str, parameter: Any, options: CallOptions) -> None:
    texts: tuple[tuple[str, Any], ...] = (
        ("service", service),
        ("handler", handler),
        ("key", options.key),
        ("idempotency key", options.idempotency_key),
    )
    for what, value in texts:
        if value is not None and not isinstance(value, str):
            check_text(f"The {what} of the call of {service}/{handler}", value)
    if not isinstance(parameter, bytes):
        raise ContextMisuseError(
            f"The input of the call of {service}/{handler} is bytes, not "
            f"{type(parameter).__name__}: encode it"
        )
    if options.headers:
        _check_headers(service, handler, options.headers)


def _check_scope(service: str, handler: str, options: CallOptions) -> None:
    """Refuse what would go without the scope, or the limits, that it was meant to have."""
    for what, value in (("scope", options.scope), ("limit key", options.limit_key)):
        if value is None:
            continue
        check_text(f"The {what} of the call of {service}/{handler}", value)
        if not value:
            raise ContextMisuseError(
                f"The call of {service}/{handler} has an empty {what}: name it, or leave it out"
            )
    if options.scope is None:
        raise ContextMisuseError(
            f"The call of {service}/{handler} has a limit key and no scope: limits belong to a "
            "scope, so name that too"
        )


def _check_headers(service: str, handler: str, headers: Any) -> None:
    if not isinstance(headers, Mapping):
        raise ContextMisuseError(
            f"The headers of the call of {service}/{handler} are a dict, not "
            f"{type(headers).__name__}"
        )
    for name, value in headers.items():
        check_text(f"The name of a header of the call of {service}/{handler}", name)
        check_text(f"The header {name!r} of the call of {service}/{handler}", value)


def invoke_time(attempt: Attempt, delay: timedelta | None) -> int:
    """Give the time for a request to start, in milliseconds since 1970; 0 is at once."""
    ms = 0 if delay is None else milliseconds(delay)
    return attempt.now_ms() + ms if ms > 0 else 0
