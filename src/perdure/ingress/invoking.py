"""Requests to run a handler: found in the registry, checked, and handed to the engine as a record.

The engine answers no earlier than the record is durable. A request that is repeated because its
answer was lost finds the same invocation if it carries an idempotency key or runs a workflow.
"""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import parse_qsl

from perdure.core.model.deployments import HandlerSchema, Registry, ServiceSchema
from perdure.core.model.durations import DurationError, parse_duration_ms
from perdure.core.model.identities import is_drawn
from perdure.core.model.payloads import PayloadError, check_input
from perdure.core.model.records import Invoke
from perdure.core.model.targets import Target
from perdure.engine.reception import Reception
from perdure.ingress.errors import BadRequestError, NotFoundError
from perdure.ingress.exchanges import Exchange
from perdure.ingress.headers import RequestHeaders, read_headers
from perdure.ingress.replies import answer_reply, submission_reply
from perdure.ingress.routes import HandlerRoute, Mode, split_handler_path
from perdure.protocol import ids
from perdure.protocol.manifest import ServiceType
from perdure.protocol.messages import Input, Value

#: Members of enums are slow to reach before Python 3.12: looked up once for all requests.
_SEND: Final = Mode.SEND
_PLAIN: Final = ServiceType.SERVICE


def invoke(requests: Reception, exchange: Exchange, route: HandlerRoute) -> None:
    """Run a handler, and reply with its result unless the request is a send.

    Raises:
        IngressError: the handler cannot be called, or not like this.
    """
    handler, key, mode = find_handler(requests.registry, route)
    delay_ms = read_delay_ms(exchange.query, mode) if exchange.query else None
    headers = read_headers(exchange.headers, exchange.fields, exchange.url)

    def proceed(body: bytes) -> None:
        check_request(handler, headers, body)
        target = Target(handler.service, handler.name, handler.kind, key)
        idempotency_key = headers.idempotency_key
        record = Invoke(
            requests.draw_id(target, idempotency_key),
            target,
            Input(Value(body), headers.forwarded),
            handler.retention_for(idempotent=idempotency_key is not None),
            idempotency_key,
            None if delay_ms is None else requests.now_ms() + delay_ms,
            drawn=is_drawn(handler.kind, idempotency_key),
        )
        text = ids.invocation_text(record.invocation_id)
        if mode is _SEND:
            reply = partial(submission_reply, text)
            requests.begin_submit(record, partial(exchange.conclude, reply))
        else:
            answer = partial(answer_reply, text, handler.output)
            exchange.waiter = requests.begin_call(record, partial(exchange.conclude, answer))

    exchange.read_body(proceed)


def find_service(registry: Registry, name: str) -> ServiceSchema:
    """Give the newest revision of a service.

    Raises:
        NotFoundError: no deployment brought one of this name.
    """
    service = registry.services.get(name)
    if service is None:
        raise NotFoundError(
            f"service '{name}' not found, make sure to register the service before calling it."
        )
    return service


def find_handler(registry: Registry, route: HandlerRoute) -> tuple[HandlerSchema, str, Mode]:
    """Give the handler that a path means, the key, and whether the caller waits.

    Raises:
        BadRequestError: the path does not fit the service's type, or the handler is private.
        NotFoundError: there is no such service or handler.
    """
    service = find_service(registry, route.service)
    keyed = service.type is not _PLAIN
    key, name, mode = split_handler_path(route, keyed=keyed)
    handler = service.handlers.get(name)
    if handler is None:
        raise NotFoundError(
            f"the service '{service.name}' exists, but the handler '{name}' was not found, "
            "check that the handler exists in the latest registered service version."
        )
    if not handler.public:
        raise BadRequestError("the invoked service is not public; call it from another handler")
    return handler, key, mode


def read_delay_ms(query: bytes, mode: Mode) -> int | None:
    """Read the query parameter ``delay``, in any case, in milliseconds; others are ignored.

    Raises:
        BadRequestError: the text is no duration, or the request is a call.
    """
    parameters = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    text = next((value for name, value in parameters if name.lower() == "delay"), None)
    if text is None:
        return None
    if mode is Mode.CALL:
        raise BadRequestError(
            "cannot use the delay query parameter with calls; only a send can be delayed"
        )
    try:
        return parse_duration_ms(text)
    except DurationError as error:
        raise BadRequestError(
            f"bad delay query parameter, must be a ISO8601 duration or one such as 10s: {error}"
        ) from error


def check_request(handler: HandlerSchema, headers: RequestHeaders, body: bytes) -> None:
    """Check what only the handler can tell: its input, and whether it takes idempotency keys.

    Raises:
        BadRequestError: the handler does not take this request.
    """
    if headers.idempotency_key is not None and handler.kind.once:
        raise BadRequestError(
            "cannot use the idempotency key with workflow handlers: a workflow runs once for "
            "its key in any case. Leave out the header idempotency-key"
        )
    try:
        check_input(handler.input, headers.content_type, empty=not body)
    except PayloadError as error:
        raise BadRequestError(f"input validation error: {error}") from error
