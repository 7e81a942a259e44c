"""Journal entries as JSON documents: whole, or without what they carry."""

from __future__ import annotations

from typing import Any, Final

from perdure.core.model.deployments import Registry
from perdure.core.model.journals import JournalEntry
from perdure.core.model.targets import HandlerKind
from perdure.protocol import messages
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import Completion, CompletionKind, Signal

#: Completions are named as the commands that they answer.
_COMPLETIONS: Final = {
    CompletionKind.GET_LAZY_STATE: "GetLazyState",
    CompletionKind.GET_LAZY_STATE_KEYS: "GetLazyStateKeys",
    CompletionKind.GET_PROMISE: "GetPromise",
    CompletionKind.PEEK_PROMISE: "PeekPromise",
    CompletionKind.COMPLETE_PROMISE: "CompletePromise",
    CompletionKind.SLEEP: "Sleep",
    CompletionKind.CALL: "Call",
    CompletionKind.CALL_INVOCATION_ID: "CallInvocationId",
    CompletionKind.RUN: "Run",
    CompletionKind.ATTACH_INVOCATION: "AttachInvocation",
    CompletionKind.GET_INVOCATION_OUTPUT: "GetInvocationOutput",
}
#: Nothing is traced here, and readers of these documents expect to be told so.
_NO_TRACE: Final = {
    "span_context": {
        "trace_id": [0] * 16,
        "span_id": [0] * 8,
        "trace_flags": 0,
        "is_remote": False,
        "trace_state": "",
    },
    "cause": None,
}
#: Parts of a command's document that its short form goes without.
_HEAVY: Final = frozenset({"name", "headers", "payload", "parameter", "value", "state_keys"})
#: Commands whose short form keeps the name.
_NAMED: Final = (messages.Run, messages.Sleep)


def entry_type(entry: JournalEntry) -> str:
    """Name the type of an entry."""
    message = entry.message
    match message:
        case Completion():
            return f"Notification: {_COMPLETIONS[message.kind]}"
        case Signal():
            return "Notification: Signal"
        case _:
            return f"Command: {type(message).__name__}"


def entry_name(entry: JournalEntry) -> str | None:
    """Give the name that the handler gave a command; notifications have none."""
    message = entry.message
    return None if isinstance(message, Completion | Signal) else message.name


def entry_document(entry: JournalEntry, registry: Registry) -> dict[str, Any]:
    """Give all of an entry; payloads are lists of bytes."""
    message = entry.message
    match message:
        case Completion():
            body = {"completion_id": message.completion_id} | _completion_result(message)
            return {"Notification": {"Completion": {_COMPLETIONS[message.kind]: body}}}
        case Signal():
            told = {"id": _signal_id(message.signal), "result": _result(message.result)}
            return {"Notification": {"Signal": told}}
        case _:
            return {"Command": {type(message).__name__: _command(entry, message, registry)}}


def lite_document(entry: JournalEntry, registry: Registry) -> dict[str, Any]:
    """Give an entry without payloads."""
    message = entry.message
    match message:
        case Completion():
            ty: Any = {"Completion": _COMPLETIONS[message.kind]}
            told = {"ty": ty, "id": {"CompletionId": message.completion_id}}
        case Signal(signal=int(index)):
            told = {"ty": "Signal", "id": {"SignalIndex": index}}
        case Signal(signal=name):
            told = {"ty": "Signal", "id": {"SignalName": name}}
        case _:
            return {"Command": {type(message).__name__: _lite_command(entry, message, registry)}}
    return {"Notification": {**told, "result": _result_name(message.result)}}


def _lite_command(
    entry: JournalEntry, message: messages.Command, registry: Registry
) -> dict[str, Any]:
    body = _command(entry, message, registry)
    request = body.pop("request", {})
    heads = {name: request[name] for name in ("invocation_id", "invocation_target") if request}
    heavy = _HEAVY - {"name"} if isinstance(message, _NAMED) else _HEAVY
    kept = {name: value for name, value in body.items() if name not in heavy}
    if "result" in kept:
        result = kept["result"]
        kept["result"] = result if isinstance(result, str) else next(iter(result))
    return {**heads, **kept}


def _command(entry: JournalEntry, message: messages.Command, registry: Registry) -> dict[str, Any]:
    match message:
        case messages.Input():
            headers = [{"name": name, "value": value} for name, value in message.headers]
            body: dict[str, Any] = {"headers": headers, "payload": list(message.value.content)}
        case messages.Output():
            body = {"result": _result(message.result)}
        case (
            messages.SetState()
            | messages.ClearState()
            | messages.ClearAllState()
            | messages.GetEagerState()
            | messages.GetEagerStateKeys()
        ):
            body = _on_state(message)
        case messages.CompleteAwakeable():
            body = {"id": message.awakeable_id, "result": _result(message.result)}
        case messages.SendSignal():
            body = {
                "target_invocation_id": message.target_invocation_id,
                "signal_id": _signal_id(message.signal),
                "result": _result(message.result),
            }
        case messages.Call() | messages.OneWayCall():
            body = _call(entry, message, registry)
        case _:
            body = _asking(message)
    return {**body, "name": message.name}


def _on_state(
    message: messages.SetState
    | messages.ClearState
    | messages.ClearAllState
    | messages.GetEagerState
    | messages.GetEagerStateKeys,
) -> dict[str, Any]:
    """Give a command on state that nothing answers."""
    match message:
        case messages.SetState():
            return {"key": _text(message.key), "value": list(message.value.content)}
        case messages.ClearState():
            return {"key": _text(message.key)}
        case messages.ClearAllState():
            return {}
        case messages.GetEagerState():
            return {"key": _text(message.key), "result": _result(message.result)}
        case messages.GetEagerStateKeys():
            return {"state_keys": [_text(key) for key in message.keys.keys]}


def _asking(
    message: messages.GetLazyState
    | messages.GetLazyStateKeys
    | messages.GetPromise
    | messages.PeekPromise
    | messages.CompletePromise
    | messages.Sleep
    | messages.Run
    | messages.AttachInvocation
    | messages.GetInvocationOutput,
) -> dict[str, Any]:
    """Give a command that one completion answers."""
    body: dict[str, Any] = {}
    match message:
        case messages.GetLazyState():
            body = {"key": _text(message.key)}
        case messages.GetPromise() | messages.PeekPromise():
            body = {"key": message.key}
        case messages.CompletePromise():
            body = {"key": message.key, "value": _result(message.completion)}
        case messages.Sleep():
            body = {"wake_up_time": message.wake_up_time}
        case messages.AttachInvocation() | messages.GetInvocationOutput():
            body = {"target": _attach_target(message.target)}
        case _:
            pass
    return {**body, "completion_id": message.result_completion_id}


def _call(
    entry: JournalEntry, message: messages.Call | messages.OneWayCall, registry: Registry
) -> dict[str, Any]:
    schema = registry.handler(message.service_name, message.handler_name)
    kind = None if schema is None else schema.kind
    keeps = None
    if schema is not None:
        keeps = schema.retention_for(idempotent=message.idempotency_key is not None)
    request = {
        "invocation_id": None if entry.callee is None else invocation_text(entry.callee),
        "invocation_target": _target(message, kind),
        "span_context": _NO_TRACE,
        "parameter": list(message.parameter),
        "headers": [{"name": name, "value": value} for name, value in message.headers],
        "idempotency_key": message.idempotency_key,
        "completion_retention_duration": _span(0 if keeps is None else keeps.completion_ms),
        "journal_retention_duration": _span(0 if keeps is None else keeps.journal_ms),
    }
    body: dict[str, Any] = {"request": request}
    if isinstance(message, messages.OneWayCall):
        body["invoke_time"] = message.invoke_time
    body["invocation_id_completion_id"] = message.invocation_id_notification_idx
    if isinstance(message, messages.Call):
        body["result_completion_id"] = message.result_completion_id
    return body


def _target(
    message: messages.Call | messages.OneWayCall, kind: HandlerKind | None
) -> dict[str, Any]:
    if kind is None:  # the handler is gone; a key tells an object from a service
        kind = HandlerKind.EXCLUSIVE if message.key else HandlerKind.SERVICE
    name, handler, scope = message.service_name, message.handler_name, message.scope
    if kind is HandlerKind.SERVICE:
        return {"Service": {"name": name, "handler": handler, "scope": scope}}
    types = {HandlerKind.EXCLUSIVE: "Exclusive", HandlerKind.WORKFLOW: "Workflow"}
    keyed = {
        "name": name,
        "key": message.key,
        "handler": handler,
        "handler_ty": types.get(kind, "Shared"),
        "scope": scope,
    }
    return {"Workflow" if kind.has_promises else "VirtualObject": keyed}


def _attach_target(target: messages.AttachTarget) -> dict[str, Any]:
    match target:
        case messages.InvocationTarget():
            return {"InvocationId": target.invocation_id}
        case messages.IdempotentRequestTarget():
            request = {
                "service_name": target.service_name,
                "service_key": target.service_key,
                "service_handler": target.handler_name,
                "idempotency_key": target.idempotency_key,
            }
            return {"IdempotentRequest": request}
        case messages.WorkflowTarget():
            return {"Workflow": {"service_name": target.workflow_name, "key": target.workflow_key}}


def _completion_result(message: Completion) -> dict[str, Any]:
    if message.kind is CompletionKind.SLEEP:
        return {}
    result = message.result
    match result:
        case messages.InvocationIdentity():
            return {"invocation_id": result.invocation_id}
        case messages.StateKeys():
            return {"state_keys": [_text(key) for key in result.keys]}
        case _:
            return {"result": _result(result)}


def _result(result: messages.Void | messages.Value | messages.Failure) -> Any:
    match result:
        case messages.Void():
            return "Void"
        case messages.Value():
            return {"Success": list(result.content)}
        case messages.Failure():
            failure: dict[str, Any] = {"code": result.code, "message": result.message}
            if result.metadata:
                failure["metadata"] = [
                    {"key": key, "value": value} for key, value in result.metadata
                ]
            return {"Failure": failure}


def _result_name(result: messages.Result) -> str:
    match result:
        case messages.Void():
            return "Void"
        case messages.Value():
            return "Success"
        case messages.Failure():
            return "Failure"
        case messages.InvocationIdentity():
            return "InvocationId"
        case messages.StateKeys():
            return "StateKeys"


def _signal_id(signal: int | str) -> dict[str, int | str]:
    return {"Index": signal} if isinstance(signal, int) else {"Name": signal}


def _span(milliseconds: int) -> dict[str, int]:
    seconds, rest = divmod(milliseconds, 1000)
    return {"secs": seconds, "nanos": rest * 1_000_000}


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
