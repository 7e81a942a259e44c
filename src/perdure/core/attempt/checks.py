"""What a handler of which kind may ask for, checked before it is stored (service protocol 11.4).

A command that fails its check ends the attempt with a retryable error: entries before it stay, it
and everything after it is discarded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, Protocol

from perdure.core.attempt.labels import LABELS
from perdure.core.model.deployments import HandlerSchema
from perdure.core.model.identities import is_drawn, request_id
from perdure.core.model.invocations import Problem
from perdure.core.model.records import Callee
from perdure.core.model.shares import ALONE, Share
from perdure.core.model.targets import HandlerKind, Target
from perdure.protocol import messages
from perdure.protocol.ids import IdentifierError, parse_awakeable_id, parse_invocation_id
from perdure.protocol.messages import Call, Command, InvocationTarget, Message, OneWayCall

_NO_SCOPES: Final = "scopes and limit keys are not enabled here; leave them out"


#: One message; as long as that, or longer, it is refused (service protocol, section 3).
MESSAGE_BYTES_LIMIT: Final = 32 * 1024 * 1024


class Directory(Protocol):
    """Knows the newest revision of every handler."""

    def handler(self, service: str, handler: str) -> HandlerSchema | None:
        """Give the newest revision of a handler."""


class RefusedError(Exception):
    """A command that cannot be accepted; ends the attempt, which is then retried."""

    def __init__(self, code: int, doc_code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code, message, doc_code=doc_code)


def checked_size(message: Message, payload: bytes | str) -> int:
    """Give the size of a message's payload, in bytes.

    Raises:
        RefusedError: it is too long to be stored and sent again on every replay.
    """
    size = len(payload)
    if size >= MESSAGE_BYTES_LIMIT:
        raise RefusedError(
            413,
            "RT0003",
            f"{type(message).__name__} carries {size} bytes, and must stay below "
            f"{MESSAGE_BYTES_LIMIT}; keep large data elsewhere and pass a reference to it",
        )
    return size


def stored_bytes(messages: Iterable[Message]) -> int:
    """Give the size of what messages carry, in bytes."""
    size = 0
    for message in messages:
        carried = CARRIED.get(type(message))
        if carried is None:
            continue
        payload_of, label_of = carried
        if payload_of is not None:
            size += len(payload_of(message))
        if label_of is not None:
            size += label_of(message)
    return size


def check_command(kind: HandlerKind, command: Command) -> None:
    """Refuse a command that the handler's kind does not allow, or that names nothing.

    Raises:
        RefusedError: why.
    """
    check = _CHECKS.get(type(command))
    if check is not None:
        check(kind, command)


def resolve_callee(
    directory: Directory, command: Call | OneWayCall, now: int, chance: bytes, share: Share = ALONE
) -> Callee:
    """Find out whom a call calls, under which id, and how long its result is kept.

    Raises:
        RefusedError: there is no such handler, or it cannot be called like this.
    """
    target = f"{command.service_name}/{command.handler_name}"
    schema = directory.handler(command.service_name, command.handler_name)
    if schema is None:
        raise RefusedError(
            500,
            "RT0018",
            f"handler {target} is not registered; register the deployment that serves it",
        )
    if schema.retired:
        raise RefusedError(
            500,
            "RT0020",
            f"the deployment of {target} speaks no version of the service protocol that this "
            "server does; upgrade its SDK, and register it again",
        )
    if command.key and not schema.kind.keyed:
        raise RefusedError(500, "RT0017", f"{target} is a plain service and takes no key")
    if command.idempotency_key == "":
        raise RefusedError(500, "RT0017", f"call of {target}: the idempotency key is empty")
    if command.scope or command.limit_key:
        raise RefusedError(500, "RT0024", f"call of {target}: {_NO_SCOPES}")
    callee = Target(command.service_name, command.handler_name, schema.kind, command.key)
    invocation_id = request_id(callee, command.idempotency_key, now, chance, share)
    idempotent = command.idempotency_key is not None
    return Callee(
        invocation_id,
        schema.kind,
        schema.retention_for(idempotent=idempotent),
        is_drawn(schema.kind, command.idempotency_key),
    )


def _reads_state(kind: HandlerKind, command: Command) -> None:
    if not kind.keyed:
        raise RefusedError(500, "RT0017", f"{type(command).__name__}: a plain service has no state")


def _writes_state(kind: HandlerKind, command: Command) -> None:
    if not kind.writes_state:
        raise RefusedError(
            500,
            "RT0017",
            f"{type(command).__name__}: only exclusive handlers and a workflow's run write state",
        )


def _uses_promises(kind: HandlerKind, command: Command) -> None:
    if not kind.has_promises:
        raise RefusedError(
            500, "RT0017", f"{type(command).__name__}: only workflows have durable promises"
        )


def _names_invocation(_kind: HandlerKind, command: messages.SendSignal) -> None:
    _parse(parse_invocation_id, command.target_invocation_id, "RT0012")


def _names_awakeable(_kind: HandlerKind, command: messages.CompleteAwakeable) -> None:
    _parse(parse_awakeable_id, command.awakeable_id, "RT0012")


def _names_target(
    _kind: HandlerKind, command: messages.AttachInvocation | messages.GetInvocationOutput
) -> None:
    if isinstance(command.target, InvocationTarget):
        _parse(parse_invocation_id, command.target.invocation_id, "RT0017")
    elif command.target.scope:
        raise RefusedError(500, "RT0024", f"{type(command).__name__}: {_NO_SCOPES}")


def _parse(parser: Callable[[str], object], text: str, doc_code: str) -> None:
    try:
        parser(text)
    except IdentifierError as error:
        raise RefusedError(500, doc_code, f"{text!r} is not an id: {error}") from error


_CHECKS: Final[Mapping[type[Command], Callable[[HandlerKind, Any], None]]] = {
    messages.GetLazyState: _reads_state,
    messages.GetLazyStateKeys: _reads_state,
    messages.GetEagerState: _reads_state,
    messages.GetEagerStateKeys: _reads_state,
    messages.SetState: _writes_state,
    messages.ClearState: _writes_state,
    messages.ClearAllState: _writes_state,
    messages.GetPromise: _uses_promises,
    messages.PeekPromise: _uses_promises,
    messages.CompletePromise: _uses_promises,
    messages.SendSignal: _names_invocation,
    messages.CompleteAwakeable: _names_awakeable,
    messages.AttachInvocation: _names_target,
    messages.GetInvocationOutput: _names_target,
}


def _content(result: object) -> bytes | str:
    """Give what a result carries."""
    # Struct classes have a metaclass, which makes an isinstance that fails slow.
    if type(result) is messages.Value:
        return result.content
    return result.message if type(result) is messages.Failure else b""


def _result(message: Any) -> bytes | str:
    result = message.result
    return result.content if type(result) is messages.Value else _content(result)


_PayloadOf = Callable[[Any], bytes | str]
_LabelOf = Callable[[Any], int]

#: The part of a message that may be long.
_PAYLOADS: Final[Mapping[type[Message], _PayloadOf]] = {
    messages.Output: _result,
    messages.SetState: lambda message: message.value.content,
    messages.Call: attrgetter("parameter"),
    messages.OneWayCall: attrgetter("parameter"),
    messages.SendSignal: _result,
    messages.CompletePromise: lambda message: _content(message.completion),
    messages.CompleteAwakeable: _result,
    messages.ProposeRunCompletion: _result,
    messages.Input: lambda message: message.value.content,
    messages.Completion: _result,
    messages.Signal: _result,
}
#: What gives that part, and the size of the rest, by the kind of message.
CARRIED: Final[Mapping[type[Message], tuple[_PayloadOf | None, _LabelOf | None]]] = {
    kind: (_PAYLOADS.get(kind), LABELS.get(kind)) for kind in {**_PAYLOADS, **LABELS}
}
#: What gives it of all other messages.
NOTHING: Final = (None, None)
