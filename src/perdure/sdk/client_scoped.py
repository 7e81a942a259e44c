"""The client within a scope: invocations that share limits on how many run at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

from perdure.sdk.client_ingress import (
    OBJECT,
    SERVICE,
    WORKFLOW,
    Ingress,
    RestateClientSendHandle,
)
from perdure.sdk.definitions import HandlerType
from perdure.sdk.exchanges import Postage

I = TypeVar("I")  # noqa: E741 - input, as the official SDK calls it
O = TypeVar("O")  # noqa: E741 - output, likewise


class RestateScopedClient:
    """Calls handlers within a scope; made by :meth:`RestateClient.scope`.

    The scope is part of what an invocation is addressed by. A ``limit_key`` of one or two levels
    (``tenant`` or ``tenant/user``) is not: it only bounds how many run at once. Each call raises
    what those of :class:`RestateClient` do.

    Args:
        ingress: The ingress, within the scope.
    """

    def __init__(self, ingress: Ingress) -> None:
        self._ingress = ingress

    async def service_call(
        self,
        tpe: HandlerType[I, O],
        arg: I,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> O:
        """Call a handler of a service and wait for its output."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key, limit_key=limit_key)
        return await self._ingress.call(tpe, SERVICE, None, arg, postage)

    async def service_send(
        self,
        tpe: HandlerType[I, O],
        arg: I,
        send_delay: timedelta | None = None,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RestateClientSendHandle:
        """Invoke a handler of a service, after a delay if there is one."""
        postage = Postage(
            headers=headers,
            idempotency_key=idempotency_key,
            limit_key=limit_key,
            delay=send_delay,
        )
        return await self._ingress.send(tpe, SERVICE, None, arg, postage)

    async def object_call(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> O:
        """Call a handler of a virtual object and wait for its output."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key, limit_key=limit_key)
        return await self._ingress.call(tpe, OBJECT, key, arg, postage)

    async def object_send(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        send_delay: timedelta | None = None,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RestateClientSendHandle:
        """Invoke a handler of a virtual object, after a delay if there is one."""
        postage = Postage(
            headers=headers,
            idempotency_key=idempotency_key,
            limit_key=limit_key,
            delay=send_delay,
        )
        return await self._ingress.send(tpe, OBJECT, key, arg, postage)

    async def workflow_call(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> O:
        """Call a handler of a workflow and wait for its output."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key, limit_key=limit_key)
        return await self._ingress.call(tpe, WORKFLOW, key, arg, postage)

    async def workflow_send(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        send_delay: timedelta | None = None,
        limit_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RestateClientSendHandle:
        """Invoke a handler of a workflow, after a delay if there is one."""
        postage = Postage(
            headers=headers,
            idempotency_key=idempotency_key,
            limit_key=limit_key,
            delay=send_delay,
        )
        return await self._ingress.send(tpe, WORKFLOW, key, arg, postage)
