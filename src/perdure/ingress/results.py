"""Requests about invocations that exist already: their results, and their ids.

An invocation whose handler is paused keeps those waiting who attach to it, until it is resumed.
"""

from __future__ import annotations

from functools import partial

from perdure.engine.reception import Finding, Reception
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
from perdure.protocol.manifest import ServiceType

ResultRoute = InvocationRoute | IdempotentRoute | WorkflowRoute | TargetRoute


def answer_about(requests: Reception, exchange: Exchange, route: ResultRoute) -> Reply | None:
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
    # With the body comes word of a client that goes away.
    if route.operation is Operation.ATTACH:
        exchange.read_body(lambda _body: _attach(requests, exchange, invocation_id))
    else:
        _output(requests, exchange, invocation_id)
        if not exchange.over:
            exchange.read_body(lambda _body: None)
    return None


def _answer(
    requests: Reception, exchange: Exchange, operation: Operation, invocation_id: InvocationId
) -> Reply | None:
    match operation:
        case Operation.ATTACH:
            _attach(requests, exchange, invocation_id)
        case Operation.OUTPUT:
            _output(requests, exchange, invocation_id)
        case Operation.LOOKUP:
            return identity_reply(ids.invocation_text(invocation_id))
    return None


def _invocation_of(
    requests: Reception, route: InvocationRoute | IdempotentRoute | WorkflowRoute
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


def _attach(requests: Reception, exchange: Exchange, invocation_id: InvocationId) -> None:
    reply = partial(_result_reply, requests, ids.invocation_text(invocation_id))
    exchange.waiter = requests.begin_attach(invocation_id, partial(exchange.conclude, reply))


def _output(requests: Reception, exchange: Exchange, invocation_id: InvocationId) -> None:
    reply = partial(_output_reply, requests, ids.invocation_text(invocation_id))
    requests.begin_output(invocation_id, partial(exchange.conclude, reply))


def _output_reply(requests: Reception, invocation_id: str, finding: Finding | None) -> Reply:
    """Answer who wants a result that is there.

    Raises:
        NotFoundError: the invocation is unknown.
        NotReadyError: it has not ended.
    """
    if finding is None:
        raise NotFoundError("invocation not found")
    if finding.answer is None:
        raise NotReadyError
    return _result_reply(requests, invocation_id, finding)


def _result_reply(requests: Reception, invocation_id: str, finding: Finding | None) -> Reply:
    """Answer who waited for a result, as the handler declares it that is registered by now."""
    if finding is None:
        return answer_reply(invocation_id, None, None)
    target = finding.target
    handler = requests.registry.handler(target.service, target.handler)
    output = None if handler is None else handler.output
    return answer_reply(invocation_id, output, finding.answer)
