"""Requests about invocations that exist already: their results, and their ids.

An invocation whose handler is paused keeps those waiting who attach to it, until it is resumed.
"""

from __future__ import annotations

from perdure.engine.requests import NotReady, Requests
from perdure.ingress import targets
from perdure.ingress.errors import NotFoundError, NotReadyError
from perdure.ingress.exchanges import Exchange
from perdure.ingress.invoking import find_service
from perdure.ingress.replies import Reply, identity_reply, outcome_reply, unknown_invocation
from perdure.ingress.routes import (
    IdempotentRoute,
    InvocationRoute,
    Operation,
    TargetRoute,
    WorkflowRoute,
    split_idempotent_path,
)
from perdure.ingress.watching import while_connected
from perdure.protocol import ids
from perdure.protocol.ids import InvocationId
from perdure.protocol.manifest import OutputPayload, ServiceType

ResultRoute = InvocationRoute | IdempotentRoute | WorkflowRoute | TargetRoute


async def answer_about(requests: Requests, exchange: Exchange, route: ResultRoute) -> Reply:
    """Give the result of an invocation, now or when it ends, or its id.

    Raises:
        IngressError: the invocation cannot be told from the request, is unknown, or has not ended.
        ClientGoneError: the client went away while it waited.
    """
    invocation_id = await _invocation_of(requests, exchange, route)
    match route.operation:
        case Operation.ATTACH:
            return await _attach(requests, exchange, invocation_id)
        case Operation.OUTPUT:
            return _output(requests, invocation_id)
        case Operation.LOOKUP:
            return identity_reply(ids.invocation_text(invocation_id))


async def _invocation_of(
    requests: Requests, exchange: Exchange, route: ResultRoute
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
        case TargetRoute():
            return targets.read_target(await exchange.body())


async def _attach(requests: Requests, exchange: Exchange, invocation_id: InvocationId) -> Reply:
    output = _declared_output(requests, invocation_id)
    text = ids.invocation_text(invocation_id)
    attaching = requests.attach(invocation_id)
    answer = await while_connected(attaching, exchange.watch_disconnect, text)
    if answer is None:
        return unknown_invocation(text)
    return outcome_reply(text, answer.outcome, output, answer.expires_at)


def _output(requests: Requests, invocation_id: InvocationId) -> Reply:
    answer = requests.output(invocation_id)
    if answer is None:
        raise NotFoundError("invocation not found")
    if isinstance(answer, NotReady):
        raise NotReadyError
    output = _declared_output(requests, invocation_id)
    text = ids.invocation_text(invocation_id)
    return outcome_reply(text, answer.outcome, output, answer.expires_at)


def _declared_output(requests: Requests, invocation_id: InvocationId) -> OutputPayload | None:
    """Say what the invocation's handler gives, as far as it is still registered."""
    row = requests.lookup(invocation_id)
    if row is None:
        return None
    handler = requests.registry.handler(row.target.service, row.target.handler)
    return None if handler is None else handler.output
