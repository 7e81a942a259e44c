"""Calls and sends through the ingress, within a scope or without one: what all clients share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, cast

from perdure.sdk.definitions import Handler, HandlerKind, HandlerType, handler_from_callable
from perdure.sdk.errors import DefinitionError
from perdure.sdk.exchanges import (
    Exchange,
    Postage,
    Target,
    call_request,
    read_accepted,
    read_answer,
    send_request,
)
from perdure.sdk.serde import BytesSerde

I = TypeVar("I")  # noqa: E741 - input, as the official SDK calls it
O = TypeVar("O")  # noqa: E741 - output, likewise

SERVICE: Final = frozenset({HandlerKind.SERVICE})
OBJECT: Final = frozenset({HandlerKind.EXCLUSIVE, HandlerKind.SHARED})
WORKFLOW: Final = frozenset({HandlerKind.WORKFLOW, HandlerKind.WORKFLOW_SHARED})

_METHODS: Final = {SERVICE: "service_*", OBJECT: "object_*", WORKFLOW: "workflow_*"}


@dataclass(frozen=True, slots=True)
class RestateClientSendHandle:
    """What a send gives: the invocation is durable and will run."""

    invocation_id: str
    status_code: int
    """HTTP status of the answer."""


class Ingress:
    """The ingress as clients use it.

    Args:
        exchange: Carries requests there and answers back.
        scope: The scope of all invocations.
    """

    def __init__(self, exchange: Exchange, scope: str | None = None) -> None:
        self.exchange = exchange
        self.scope = scope

    async def call(
        self,
        tpe: HandlerType[I, O],
        kinds: frozenset[HandlerKind],
        key: str | None,
        arg: I,
        postage: Postage,
    ) -> O:
        """Call a handler and wait for its output."""
        handler = find_handler(tpe, kinds)
        body = await self.call_bytes(
            self._target(handler, key), _input(handler, arg), _stamped(handler, postage)
        )
        output: Any = handler.output_serde.deserialize(body)
        return cast(O, output)

    async def send(
        self,
        tpe: HandlerType[I, O],
        kinds: frozenset[HandlerKind],
        key: str | None,
        arg: I,
        postage: Postage,
    ) -> RestateClientSendHandle:
        """Invoke a handler without waiting for it."""
        handler = find_handler(tpe, kinds)
        return await self.send_bytes(
            self._target(handler, key), _input(handler, arg), _stamped(handler, postage)
        )

    async def call_bytes(self, target: Target, body: bytes, postage: Postage) -> bytes:
        """Call a handler by name, with bytes, and wait for its output."""
        return read_answer(await self.exchange(call_request(target, body, postage)))

    async def send_bytes(
        self, target: Target, body: bytes, postage: Postage
    ) -> RestateClientSendHandle:
        """Invoke a handler by name, with bytes, without waiting for it."""
        response = await self.exchange(send_request(target, body, postage))
        return RestateClientSendHandle(read_accepted(response), response.status)

    def _target(self, handler: Handler, key: str | None) -> Target:
        return Target(service=handler.service, handler=handler.name, key=key, scope=self.scope)


def find_handler(tpe: HandlerType[I, O], kinds: frozenset[HandlerKind]) -> Handler:
    """Give the handler that a decorated function stands for.

    Raises:
        DefinitionError: it is none, or of another kind than the client's method is for.
    """
    handler = handler_from_callable(tpe)
    if handler.kind in kinds:
        return handler
    method = next(name for others, name in _METHODS.items() if handler.kind in others)
    raise DefinitionError(
        f"{handler.service}/{handler.name} cannot be called like that: use the client's {method}"
    )


def _input(handler: Handler, arg: Any) -> bytes:
    if handler.takes_input:
        return handler.input_serde.serialize(arg)
    if arg is not None:
        raise ValueError(f"{handler.service}/{handler.name} takes no input: pass None")
    return b""


def _stamped(handler: Handler, postage: Postage) -> Postage:
    return replace(postage, content_type=_content_type(handler))


def _content_type(handler: Handler) -> str | None:
    """Give a content type that the handler takes; None if that is for the caller to say."""
    if "*" not in handler.accept:
        return handler.accept
    if handler.accept not in ("*/*", "application/*"):
        return None
    raw = handler.signature.input_hint is bytes or isinstance(
        handler.options.input_serde, BytesSerde
    )
    return "application/octet-stream" if raw else "application/json"
