"""What commands carry besides their payload: names, keys and headers.

Most of it is short, but nothing says so, and a journal keeps it as it does payloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from perdure.protocol import messages
from perdure.protocol.messages import (
    IdempotentRequestTarget,
    InvocationTarget,
    Message,
    Value,
    WorkflowTarget,
)


def _named(command: Any) -> int:
    return len(command.name)


def _keyed(command: Any) -> int:
    return len(command.name) + len(command.key)


def _eagerly_read(command: messages.GetEagerState) -> int:
    result = command.result
    return _keyed(command) + (len(result.content) if isinstance(result, Value) else 0)


def _eagerly_listed(command: messages.GetEagerStateKeys) -> int:
    return _named(command) + sum(map(len, command.keys.keys))


def _calling(command: messages.Call | messages.OneWayCall) -> int:
    size = _keyed(command)
    if command.idempotency_key is not None:
        size += len(command.idempotency_key)
    for name, value in command.headers:
        size += len(name) + len(value)
    return size


def _signalling(command: messages.SendSignal) -> int:
    signal = command.signal
    return _named(command) + (len(signal) if isinstance(signal, str) else 0)


def _asking(command: messages.AttachInvocation | messages.GetInvocationOutput) -> int:
    match command.target:
        case InvocationTarget(invocation_id):
            return _named(command) + len(invocation_id)
        case WorkflowTarget(workflow, key):
            return _named(command) + len(workflow) + len(key)
        case IdempotentRequestTarget(service, handler, idempotency_key, key):
            texts = (service, handler, idempotency_key, key or "")
            return _named(command) + sum(map(len, texts))


#: Gives the length of all that by the kind of command, in characters or bytes.
LABELS: Final[Mapping[type[Message], Callable[[Any], int]]] = {
    messages.Output: _named,
    messages.GetLazyState: _keyed,
    messages.SetState: _keyed,
    messages.ClearState: _keyed,
    messages.ClearAllState: _named,
    messages.GetLazyStateKeys: _named,
    messages.GetEagerState: _eagerly_read,
    messages.GetEagerStateKeys: _eagerly_listed,
    messages.GetPromise: _keyed,
    messages.PeekPromise: _keyed,
    messages.CompletePromise: _keyed,
    messages.Sleep: _named,
    messages.Call: _calling,
    messages.OneWayCall: _calling,
    messages.SendSignal: _signalling,
    messages.Run: _named,
    messages.AttachInvocation: _asking,
    messages.GetInvocationOutput: _asking,
    messages.CompleteAwakeable: _named,
}
