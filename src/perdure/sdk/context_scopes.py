"""Calls within a scope: a group of invocations that are placed and limited together."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from perdure.sdk.attempt import Attempt
from perdure.sdk.calling import CallOptions, DurableCallFuture, SendHandle, call, send
from perdure.sdk.definitions import HandlerType

I = TypeVar("I")  # noqa: E741 - input, as the official SDK calls it
O = TypeVar("O")  # noqa: E741 - output, likewise


class ScopedContext:
    """Calls within a scope, each with an optional key for limits on concurrency.

    Scopes need version 7 of the service protocol, and a server on which they are enabled. The
    scope is part of a request's identity, the limit key is not.

    Args:
        attempt: The attempt that calls.
        scope: The scope's name.
    """

    __slots__ = ("_attempt", "_scope")

    def __init__(self, attempt: Attempt, scope: str) -> None:
        self._attempt = attempt
        self._scope = scope

    def service_call(
        self,
        tpe: HandlerType[I, O],
        arg: I,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> DurableCallFuture[O]:
        """Call a handler of a service."""
        options = CallOptions(None, idempotency_key, headers, self._scope, limit_key)
        return call(self._attempt, tpe, arg, options)

    def service_send(
        self,
        tpe: HandlerType[I, O],
        arg: I,
        send_delay: timedelta | None = None,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> SendHandle:
        """Send a request to a service, and do not wait for its result."""
        options = CallOptions(None, idempotency_key, headers, self._scope, limit_key)
        return send(self._attempt, tpe, arg, send_delay, options)

    def object_call(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> DurableCallFuture[O]:
        """Call a handler of a virtual object."""
        options = CallOptions(key, idempotency_key, headers, self._scope, limit_key)
        return call(self._attempt, tpe, arg, options)

    def object_send(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        send_delay: timedelta | None = None,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> SendHandle:
        """Send a request to a virtual object, and do not wait for its result."""
        options = CallOptions(key, idempotency_key, headers, self._scope, limit_key)
        return send(self._attempt, tpe, arg, send_delay, options)

    def workflow_call(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> DurableCallFuture[O]:
        """Call a handler of a workflow."""
        options = CallOptions(key, idempotency_key, headers, self._scope, limit_key)
        return call(self._attempt, tpe, arg, options)

    def workflow_send(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        send_delay: timedelta | None = None,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> SendHandle:
        """Send a request to a workflow, and do not wait for its result."""
        options = CallOptions(key, idempotency_key, headers, self._scope, limit_key)
        return send(self._attempt, tpe, arg, send_delay, options)
