"""Requests about invocations that exist already: their results, and their ids.

An invocation whose handler is paused keeps those waiting who attach to it, until it is resumed.
"""

from __future__ import annotations

from functools import partial

from perdure.engine.requests import NotReady, Requests
from perdure.ingress import targets
from perdure.ingress.errors import NotFoundError, NotReadyError
from perdure.ingress.exchanges import Exchange
from perdure.ingress.invoking import find_service
from perdure.ingress.replies import Reply, answer_reply, identity_reply
from perdure.ingress.routes import (
    IdempotentRoute,
    InvocationRoute,
    Operation,
    TargetRoute,
    WorkflowRoute,
    split_idempotent_path,
)
from perdure.protocol import ids
from perdure.protocol.ids import InvocationId
from perdure.protocol.manifest import OutputPayload, ServiceType

ResultRoute = InvocationRoute | IdempotentRoute | WorkflowRoute | TargetRoute


def answer_about(requests: Requests, exchange: Exchange, route: ResultRoute) -> Reply | None:
    """Give the result of an invocation, now or when it ends, or with its id.

    Raises:
        IngressError: the invocation cannot be told from the request, is unknown, or has not ended.
    """
    if isinstance(route, TargetRoute):
        exchange.read_body(
            lambda body: _answer(requests, exchange, route.operation, targets.read_target(body))
        )
        return None
    invocation_id = _invocation_of(requests, route)
    if route.operation is Operation.ATTACH:
        # With the body comes word of a client that goes away.
        exchange.read_body(lambda _body: _attach(requests, exchange, invocation_id))
        return None
    return _answer(requests, exchange, route.operation, invocation_id)


def _answer(
    requests: Requests, exchange: Exchange, operation: Operation, invocation_id: InvocationId
) -> Reply | None:
    match operation:
        case Operation.ATTACH:
            _attach(requests, exchange, invocation_id)
            return None
        case Operation.OUTPUT:
            return _output(requests, invocation_id)
        case Operation.LOOKUP:
            return identity_reply(ids.invocation_text(invocation_id))


def _invocation_of(
    requests: Requests, route: InvocationRoute | IdempotentRoute | WorkflowRoute
) -> InvocationId:
    """Give the id that a route means; ids are derived, so that this needs no invocation."""
    match route:
        case InvocationRoute():
            return targets.read_invocation_id(route.invocation_id)
        case WorkflowRoute():
            return ids.workflow_run_id(route.name, route.key)
        case IdempotentRoute():
            service = find_service(requests.registry, route.service)
            key, handler, idempotency_key = split_idempotent_path(
                route, keyed=service.type is not ServiceType.SERVICE
            )
            return ids.idempotent_id(service.name, handler, idempotency_key, key)


def _attach(requests: Requests, exchange: Exchange, invocation_id: InvocationId) -> None:
    output = _declared_output(requests, invocation_id)
    reply = partial(answer_reply, ids.invocation_text(invocation_id), output)
    exchange.waiter = requests.begin_attach(invocation_id, partial(exchange.conclude, reply))


def _output(requests: Requests, invocation_id: InvocationId) -> Reply:
    answer = requests.output(invocation_id)
    if answer is None:
        raise NotFoundError("invocation not found")
    if isinstance(answer, NotReady):
        raise NotReadyError
    output = _declared_output(requests, invocation_id)
    text = ids.invocation_text(invocation_id)
    return answer_reply(text, output, answer)


def _declared_output(requests: Requests, invocation_id: InvocationId) -> OutputPayload | None:
    """Say what the invocation's handler gives, as far as it is still registered."""
    row = requests.lookup(invocation_id)
    if row is None:
        return None
    handler = requests.registry.handler(row.target.service, row.target.handler)
    return None if handler is None else handler.output
