"""Calls of other handlers: with their result, or sent on their way."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from perdure.protocol.messages import InvocationTarget
from perdure.sdk.calling import (
    CallOptions,
    DurableCallFuture,
    SendHandle,
    call,
    invoke_time,
    request_to,
    send,
)
from perdure.sdk.context_base import ContextBase, chosen
from perdure.sdk.context_scopes import ScopedContext
from perdure.sdk.definitions import HandlerType
from perdure.sdk.errors import ContextMisuseError
from perdure.sdk.futures import DurableFuture
from perdure.sdk.serde import Serde

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - input, as the official SDK calls it
O = TypeVar("O")  # noqa: E741 - output, likewise


class Calls(ContextBase):
    """Calls, sends, and what can be done with the invocations they make."""

    __slots__ = ()

    def service_call(
        self,
        tpe: HandlerType[I, O],
        arg: I,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> DurableCallFuture[O]:
        """Call a handler of a service.

        Args:
            tpe: The handler: the decorated function.
            arg: Its input.
            idempotency_key: Requests with the same key are executed once.
            headers: Headers for the handler to read.
        """
        options = CallOptions(None, idempotency_key, headers)
        return call(self._attempt, tpe, arg, options)

    def service_send(
        self,
        tpe: HandlerType[I, O],
        arg: I,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> SendHandle:
        """Send a request to a service, and do not wait for its result.

        Args:
            tpe: The handler: the decorated function.
            arg: Its input.
            send_delay: When to start, counted from now; at once if absent.
            idempotency_key: Requests with the same key are executed once.
            headers: Headers for the handler to read.
        """
        options = CallOptions(None, idempotency_key, headers)
        return send(self._attempt, tpe, arg, send_delay, options)

    def object_call(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> DurableCallFuture[O]:
        """Call a handler of a virtual object.

        Args:
            tpe: The handler: the decorated function.
            key: The key of the object.
            arg: Its input.
            idempotency_key: Requests with the same key are executed once.
            headers: Headers for the handler to read.
        """
        options = CallOptions(key, idempotency_key, headers)
        return call(self._attempt, tpe, arg, options)

    def object_send(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> SendHandle:
        """Send a request to a virtual object, and do not wait for its result.

        Args:
            tpe: The handler: the decorated function.
            key: The key of the object.
            arg: Its input.
            send_delay: When to start, counted from now; at once if absent.
            idempotency_key: Requests with the same key are executed once.
            headers: Headers for the handler to read.
        """
        options = CallOptions(key, idempotency_key, headers)
        return send(self._attempt, tpe, arg, send_delay, options)

    def workflow_call(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> DurableCallFuture[O]:
        """Call a handler of a workflow.

        Args:
            tpe: The handler: the decorated function.
            key: The key of the workflow.
            arg: Its input.
            idempotency_key: Requests with the same key are executed once.
            headers: Headers for the handler to read.
        """
        options = CallOptions(key, idempotency_key, headers)
        return call(self._attempt, tpe, arg, options)

    def workflow_send(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> SendHandle:
        """Send a request to a workflow, and do not wait for its result.

        Args:
            tpe: The handler: the decorated function.
            key: The key of the workflow.
            arg: Its input.
            send_delay: When to start, counted from now; at once if absent.
            idempotency_key: Requests with the same key are executed once.
            headers: Headers for the handler to read.
        """
        options = CallOptions(key, idempotency_key, headers)
        return send(self._attempt, tpe, arg, send_delay, options)

    def generic_call(
        self,
        service: str,
        handler: str,
        arg: bytes,
        key: str | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> DurableCallFuture[bytes]:
        """Call a handler by name, with bytes.

        Args:
            service: Name of the service, object or workflow.
            handler: Name of its handler.
            arg: Its input.
            key: The key of the object or workflow.
            idempotency_key: Requests with the same key are executed once.
            headers: Headers for the handler to read.
            scope: The scope to call within.
            limit_key: Which limits on concurrency go for the call; within a scope only.
        """
        options = CallOptions(key, idempotency_key, headers, scope, limit_key)
        handles = self._attempt.enter().call(request_to(service, handler, arg, options))
        return DurableCallFuture(self._attempt, handles, None)

    def generic_send(
        self,
        service: str,
        handler: str,
        arg: bytes,
        key: str | None = None,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> SendHandle:
        """Send bytes to a handler by name, and do not wait for its result.

        Args:
            service: Name of the service, object or workflow.
            handler: Name of its handler.
            arg: Its input.
            key: The key of the object or workflow.
            send_delay: When to start, counted from now; at once if absent.
            idempotency_key: Requests with the same key are executed once.
            headers: Headers for the handler to read.
            scope: The scope to call within.
            limit_key: Which limits on concurrency go for the call; within a scope only.
        """
        options = CallOptions(key, idempotency_key, headers, scope, limit_key)
        request = request_to(service, handler, arg, options)
        attempt = self._attempt
        handle = attempt.enter().send(request, invoke_time(attempt, send_delay))
        return SendHandle(attempt, handle)

    def scope(self, scope: str) -> ScopedContext:
        """Give the calls within a scope (version 7 of the service protocol)."""
        return ScopedContext(self._attempt, scope)

    def attach_invocation(
        self, invocation_id: str, serde: Serde[T] | None = None, type_hint: type[T] | None = None
    ) -> DurableFuture[T]:
        """Wait for the result of an invocation.

        Args:
            invocation_id: The invocation's id.
            serde: How to read the result; by its type if absent.
            type_hint: Type of the result; plain JSON if absent.
        """
        handle = self._attempt.enter().attach(_invocation(invocation_id))
        return DurableFuture(self._attempt.waits, handle, chosen(serde, type_hint).deserialize)

    def get_invocation_output(
        self, invocation_id: str, serde: Serde[T] | None = None, type_hint: type[T] | None = None
    ) -> DurableFuture[T | None]:
        """Give the result of an invocation if it has ended, and None if it has not.

        Args:
            invocation_id: The invocation's id.
            serde: How to read the result; by its type if absent.
            type_hint: Type of the result; plain JSON if absent.
        """
        handle = self._attempt.enter().get_output(_invocation(invocation_id))
        return DurableFuture(self._attempt.waits, handle, chosen(serde, type_hint).deserialize)

    def cancel_invocation(self, invocation_id: str) -> None:
        """Ask an invocation to cancel itself."""
        self._attempt.enter().cancel(_invocation(invocation_id).invocation_id)


def _invocation(invocation_id: str) -> InvocationTarget:
    if not isinstance(invocation_id, str) or not invocation_id:
        raise ContextMisuseError(
            f"An invocation's id is a text such as 'inv_1...', and this is {invocation_id!r}: "
            "write `await handle.invocation_id()`"
        )
    return InvocationTarget(invocation_id)
