"""The client: calls handlers from outside, through the ingress."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar, cast

from perdure.sdk.client_ingress import (
    OBJECT,
    SERVICE,
    WORKFLOW,
    Ingress,
    RestateClientSendHandle,
    find_handler,
)
from perdure.sdk.client_scoped import RestateScopedClient
from perdure.sdk.definitions import HandlerType
from perdure.sdk.exchanges import (
    STATUS_NOT_READY,
    Exchange,
    Postage,
    Request,
    Target,
    coded,
    read_answer,
    segment,
)
from perdure.sdk.journal_codec import JournalValueCodec
from perdure.sdk.serde import Serde, serde_for

I = TypeVar("I")  # noqa: E741 - input, as the official SDK calls it
O = TypeVar("O")  # noqa: E741 - output, likewise
T = TypeVar("T")

_LOCAL_INGRESS: Final = "http://localhost:8080"
_JSON = {"content-type": "application/json"}
_TEXT = {"content-type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class InvocationOutput(Generic[T]):
    """The output of an invocation, if it is there already."""

    ready: bool
    value: T | None = None


class RestateClient:
    """Calls handlers through the ingress; :func:`create_client` makes one.

    A handler is given as its decorated function, so that input and output are typed; or by names,
    with bytes (``generic_*``). Every method raises :class:`~perdure.sdk.errors.HttpError` if the
    server refuses the request or the invocation fails for good, and
    :class:`~perdure.sdk.errors.ConnectError` if there is no answer. To send a request again in
    safety, give it an idempotency key.

    Args:
        exchange: Carries requests to the server and answers back.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._ingress = Ingress(exchange)

    def scope(self, scope: str) -> RestateScopedClient:
        """Give a client for invocations within a scope.

        Args:
            scope: 1 to 36 characters of ``[a-zA-Z0-9_.-]``.
        """
        return RestateScopedClient(Ingress(self._exchange, scope))

    async def service_call(
        self,
        tpe: HandlerType[I, O],
        arg: I,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> O:
        """Call a handler of a service and wait for its output."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key)
        return await self._ingress.call(tpe, SERVICE, None, arg, postage)

    async def service_send(
        self,
        tpe: HandlerType[I, O],
        arg: I,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RestateClientSendHandle:
        """Invoke a handler of a service, after a delay if there is one."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key, delay=send_delay)
        return await self._ingress.send(tpe, SERVICE, None, arg, postage)

    async def object_call(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> O:
        """Call a handler of a virtual object and wait for its output."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key)
        return await self._ingress.call(tpe, OBJECT, key, arg, postage)

    async def object_send(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RestateClientSendHandle:
        """Invoke a handler of a virtual object, after a delay if there is one."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key, delay=send_delay)
        return await self._ingress.send(tpe, OBJECT, key, arg, postage)

    async def workflow_call(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> O:
        """Call a handler of a workflow and wait for its output."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key)
        return await self._ingress.call(tpe, WORKFLOW, key, arg, postage)

    async def workflow_send(
        self,
        tpe: HandlerType[I, O],
        key: str,
        arg: I,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RestateClientSendHandle:
        """Invoke a handler of a workflow, after a delay if there is one."""
        postage = Postage(headers=headers, idempotency_key=idempotency_key, delay=send_delay)
        return await self._ingress.send(tpe, WORKFLOW, key, arg, postage)

    async def generic_call(
        self,
        service: str,
        handler: str,
        arg: bytes,
        key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> bytes:
        """Call a handler by name; its input is JSON unless the headers say otherwise."""
        target = Target(service=service, handler=handler, key=key, scope=scope)
        postage = _json_postage(headers, idempotency_key, limit_key)
        return await self._ingress.call_bytes(target, arg, postage)

    async def generic_send(
        self,
        service: str,
        handler: str,
        arg: bytes,
        key: str | None = None,
        send_delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
    ) -> RestateClientSendHandle:
        """Invoke a handler by name; its input is JSON unless the headers say otherwise."""
        target = Target(service=service, handler=handler, key=key, scope=scope)
        postage = _json_postage(headers, idempotency_key, limit_key)
        return await self._ingress.send_bytes(target, arg, replace(postage, delay=send_delay))

    async def attach_invocation(
        self, invocation_id: str, serde: Serde[T] | None = None, type_hint: type[T] | None = None
    ) -> T | None:
        """Wait for the output of an invocation.

        Args:
            invocation_id: Its id, as a send gives it.
            serde: Reads the output; by ``type_hint`` if absent.
            type_hint: The type of the output.
        """
        body = await self._get(f"/restate/invocation/{segment(invocation_id)}/attach")
        return _serde(serde, type_hint).deserialize(body)

    async def get_invocation_output(
        self, invocation_id: str, serde: Serde[T] | None = None, type_hint: type[T] | None = None
    ) -> InvocationOutput[T]:
        """Give the output of an invocation if it has completed, without waiting.

        Args:
            invocation_id: Its id, as a send gives it.
            serde: Reads the output; by ``type_hint`` if absent.
            type_hint: The type of the output.
        """
        path = f"/restate/invocation/{segment(invocation_id)}/output"
        return await self._output(path, _serde(serde, type_hint))

    async def workflow_attach(self, tpe: HandlerType[I, O], key: str) -> O:
        """Wait for the output of a workflow that was started with a key.

        Args:
            tpe: Its main handler.
            key: Its key.
        """
        handler = find_handler(tpe, WORKFLOW)
        body = await self._get(f"/restate/workflow/{handler.service}/{segment(key)}/attach")
        output: Any = handler.output_serde.deserialize(body)
        return cast(O, output)

    async def workflow_output(self, tpe: HandlerType[I, O], key: str) -> InvocationOutput[O]:
        """Give the output of a workflow if it has completed, without waiting.

        Args:
            tpe: Its main handler.
            key: Its key.
        """
        handler = find_handler(tpe, WORKFLOW)
        path = f"/restate/workflow/{handler.service}/{segment(key)}/output"
        return await self._output(path, handler.output_serde)

    async def resolve_awakeable(self, name: str, value: I, serde: Serde[I] | None = None) -> None:
        """Complete an awakeable with a value.

        Args:
            name: Its id.
            value: The value.
            serde: Writes the value; as plain JSON if absent.
        """
        body = _serde(serde, None).serialize(value)
        path = f"/restate/awakeables/{segment(name)}/resolve"
        request = Request(path=path, headers=_JSON, body=body, holds_value=True)
        read_answer(await self._exchange(request))

    async def reject_awakeable(self, name: str, failure_message: str) -> None:
        """Complete an awakeable with a failure: a terminal error to whoever waits for it.

        Args:
            name: Its id.
            failure_message: What it reads.
        """
        path = f"/restate/awakeables/{segment(name)}/reject"
        request = Request(path=path, headers=_TEXT, body=failure_message.encode())
        read_answer(await self._exchange(request))

    async def _get(self, path: str) -> bytes:
        return read_answer(await self._exchange(_value_at(path)))

    async def _output(self, path: str, serde: Serde[T]) -> InvocationOutput[T]:
        response = await self._exchange(_value_at(path))
        if response.status == STATUS_NOT_READY:
            return InvocationOutput(ready=False)
        return InvocationOutput(ready=True, value=serde.deserialize(read_answer(response)))


@asynccontextmanager
async def create_client(
    ingress: str | None = None,
    headers: Mapping[str, str] | None = None,
    journal_value_codec: JournalValueCodec | None = None,
) -> AsyncIterator[RestateClient]:
    """Give a client that speaks HTTP, until the block is left.

    Args:
        ingress: Address of the ingress, with its scheme; ``http://localhost:8080`` if absent.
        headers: What each request carries, such as an authorization.
        journal_value_codec: The codec of the application that is called, if it has one.

    Raises:
        ImportError: httpx is not installed.
        ValueError: the address has no scheme.
    """
    url = _LOCAL_INGRESS if ingress is None else ingress
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"ingress is an address such as {_LOCAL_INGRESS}, not {url!r}")
    try:
        # Optional, and needed by the client alone: services must not pay for its import.
        http = importlib.import_module("perdure.sdk.client_http")
    except ModuleNotFoundError as error:
        raise ImportError('the client needs httpx: pip install "perdure[client]"') from error
    async with http.http_exchange(url, headers) as exchange:
        codec = journal_value_codec
        yield RestateClient(exchange if codec is None else coded(exchange, codec))


def _value_at(path: str) -> Request:
    """Give the request for a value of the application."""
    return Request(path=path, method="GET", headers={}, wants_value=True)


def _serde(serde: Serde[Any] | None, type_hint: Any) -> Serde[Any]:
    return serde if serde is not None else serde_for(type_hint)


def _json_postage(
    headers: Mapping[str, str] | None, idempotency_key: str | None, limit_key: str | None
) -> Postage:
    return Postage(
        headers=headers,
        idempotency_key=idempotency_key,
        limit_key=limit_key,
        content_type="application/json",
    )
