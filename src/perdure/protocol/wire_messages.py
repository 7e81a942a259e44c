"""Messages on the wire, each with how its fields are written and read.

Writers give the fields from which the protobuf library makes a message; readers take a message
that it has parsed. Both know the version of the protocol: below version 6 failures lose their
metadata and Start its seed; below version 7 suspensions are flat lists, and scopes and the like
stay behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from typing import Any, Final

from msgspec.structs import asdict

from perdure.protocol import messages
from perdure.protocol.ids import random_seed
from perdure.protocol.messages import Completion, CompletionKind, ErrorBehavior, Message
from perdure.protocol.versions import VERSION_FAILURE_METADATA, VERSION_FUTURE_TREES
from perdure.protocol.wire_trees import future_fields, read_future
from perdure.protocol.wire_values import (
    Fields,
    one_of,
    pair_fields,
    read_one_of,
    read_optional,
    read_pairs,
    read_result,
    read_signal,
    read_target,
    result_field,
    signal_field,
    target_field,
)

Write = Callable[[Any, int], Fields]
Read = Callable[[Any, int], Message]


# ---------------------------------------------------------------------------------------------
# Control messages


def _write_start(message: messages.Start, version: int) -> Fields:
    # What is not said is zero, and costs nothing: this goes out with each attempt.
    fields: Fields = {
        "id": message.id,
        "debug_id": message.debug_id,
        "known_entries": message.known_entries,
        "duration_since_last_stored_entry": message.duration_since_last_stored_entry,
    }
    if message.state_map:
        fields["state_map"] = [{"key": key, "value": value} for key, value in message.state_map]
    if message.partial_state:
        fields["partial_state"] = True
    if message.key:
        fields["key"] = message.key
    if message.retry_count_since_last_stored_entry:
        fields["retry_count_since_last_stored_entry"] = message.retry_count_since_last_stored_entry
    if version >= VERSION_FAILURE_METADATA:
        seed = message.random_seed
        fields["random_seed"] = random_seed(message.id) if seed is None else seed
    if version >= VERSION_FUTURE_TREES:
        _write_optional(message, fields)
    return fields


def _write_optional(message: messages.Start, fields: Fields) -> None:
    """Write what is told from its absence even where it is empty."""
    if message.scope is not None:
        fields["scope"] = message.scope
    if message.limit_key is not None:
        fields["limit_key"] = message.limit_key
    if message.idempotency_key is not None:
        fields["idempotency_key"] = message.idempotency_key


def _read_start(pb: Any, _version: int) -> Message:
    # Each look at a field counts: this comes in with each attempt.
    entries, has = pb.state_map, pb.HasField
    return messages.Start(
        id=pb.id,
        debug_id=pb.debug_id,
        known_entries=pb.known_entries,
        state_map=tuple([(entry.key, entry.value) for entry in entries]) if entries else (),
        partial_state=pb.partial_state,
        key=pb.key,
        retry_count_since_last_stored_entry=pb.retry_count_since_last_stored_entry,
        duration_since_last_stored_entry=pb.duration_since_last_stored_entry,
        random_seed=pb.random_seed,
        scope=pb.scope if has("scope") else None,
        limit_key=pb.limit_key if has("limit_key") else None,
        idempotency_key=pb.idempotency_key if has("idempotency_key") else None,
    )


def _write_suspension(message: messages.Suspension, version: int) -> Fields:
    future = message.awaiting_on
    if version >= VERSION_FUTURE_TREES:
        return {"awaiting_on": future_fields(future)}
    assert not future.nested, "before version 7 a suspension is flat"
    return {
        "completions": future.completions,
        "signals": future.signals,
        "named_signals": future.named_signals,
    }


def _read_suspension(pb: Any, version: int) -> Message:
    if version >= VERSION_FUTURE_TREES:
        return messages.Suspension(read_future(pb.awaiting_on))
    flat = messages.Future(tuple(pb.completions), tuple(pb.signals), tuple(pb.named_signals))
    return messages.Suspension(flat)


def _write_error(message: messages.Error, _version: int) -> Fields:
    fields = asdict(message)
    # A failure must always be told: what users put into their messages may be no valid Unicode.
    fields["message"] = message.message.encode(errors="backslashreplace").decode()
    fields["stacktrace"] = message.stacktrace.encode(errors="backslashreplace").decode()
    return fields


def _read_error(pb: Any, _version: int) -> Message:
    behaviors = (ErrorBehavior.RETRY, ErrorBehavior.PAUSE, ErrorBehavior.FAIL)
    return messages.Error(
        code=pb.code,
        message=pb.message,
        stacktrace=pb.stacktrace,
        related_command_index=read_optional(pb, "related_command_index"),
        related_command_name=read_optional(pb, "related_command_name"),
        related_command_type=read_optional(pb, "related_command_type"),
        next_retry_delay=read_optional(pb, "next_retry_delay"),
        behavior=behaviors[pb.behavior] if pb.behavior < len(behaviors) else ErrorBehavior.RETRY,
    )


def _write_proposal(message: messages.ProposeRunCompletion, version: int) -> Fields:
    result = message.result
    if type(result) is messages.Value:
        # The one place where a value stands as bare bytes.
        return {"result_completion_id": message.result_completion_id, "value": result.content}
    fields = result_field(result, version)
    fields["result_completion_id"] = message.result_completion_id
    return fields


def _read_proposal(pb: Any, _version: int) -> Message:
    member, content = read_one_of(pb, "result")
    result = messages.Value(content) if member == "value" else read_result(pb)
    assert isinstance(result, messages.Outcome)
    return messages.ProposeRunCompletion(pb.result_completion_id, result)


def _write_awaiting(message: messages.AwaitingOn, _version: int) -> Fields:
    return {
        "awaiting_on": future_fields(message.awaiting_on),
        "executing_side_effects": message.executing_side_effects,
    }


def _read_awaiting(pb: Any, _version: int) -> Message:
    return messages.AwaitingOn(read_future(pb.awaiting_on), pb.executing_side_effects)


# ---------------------------------------------------------------------------------------------
# Commands


def _write_input(message: messages.Input, _version: int) -> Fields:
    fields: Fields = {"value": {"content": message.value.content}}
    if message.headers:
        fields["headers"] = pair_fields(message.headers)
    if message.name:
        fields["name"] = message.name
    return fields


def _read_input(pb: Any, _version: int) -> Message:
    return messages.Input(messages.Value(pb.value.content), read_pairs(pb.headers), pb.name)


def _write_output(message: messages.Output, version: int) -> Fields:
    fields = result_field(message.result, version)
    if message.name:
        fields["name"] = message.name
    return fields


def _read_output(pb: Any, _version: int) -> Message:
    return messages.Output(read_result(pb), pb.name)


def _write_keys(message: messages.GetEagerStateKeys, _version: int) -> Fields:
    return {"keys": {"keys": message.keys.keys}, "name": message.name}


def _read_keys(pb: Any, _version: int) -> Message:
    return messages.GetEagerStateKeys(messages.StateKeys(tuple(pb.keys.keys)), pb.name)


def _write_sleep(message: messages.Sleep, _version: int) -> Fields:
    fields: Fields = {
        "wake_up_time": message.wake_up_time,
        "result_completion_id": message.result_completion_id,
    }
    if message.name:
        fields["name"] = message.name
    return fields


def _write_set_state(message: messages.SetState, _version: int) -> Fields:
    return {"key": message.key, "value": {"content": message.value.content}, "name": message.name}


def _read_set_state(pb: Any, _version: int) -> Message:
    return messages.SetState(pb.key, messages.Value(pb.value.content), pb.name)


def _write_call(message: messages.Call | messages.OneWayCall, version: int) -> Fields:
    fields = asdict(message)
    fields["headers"] = pair_fields(message.headers)
    if version < VERSION_FUTURE_TREES:
        del fields["scope"], fields["limit_key"]
    return fields


def _reader_of_calls(cls: type[messages.Call | messages.OneWayCall]) -> Read:
    odd = {"headers", "idempotency_key", "scope", "limit_key"}
    plain = [name for name in cls.__struct_fields__ if name not in odd]
    get = attrgetter(*plain)

    def read(pb: Any, _version: int) -> Message:
        return cls(
            headers=read_pairs(pb.headers),
            idempotency_key=read_optional(pb, "idempotency_key"),
            scope=read_optional(pb, "scope"),
            limit_key=read_optional(pb, "limit_key"),
            **dict(zip(plain, get(pb), strict=True)),
        )

    return read


def _write_send_signal(message: messages.SendSignal, version: int) -> Fields:
    return {
        "target_invocation_id": message.target_invocation_id,
        "name": message.name,
        **signal_field(message.signal),
        **result_field(message.result, version),
    }


def _read_send_signal(pb: Any, _version: int) -> Message:
    signal, result = read_signal(pb, "signal"), read_result(pb)
    return messages.SendSignal(pb.target_invocation_id, signal, result, pb.name)


# ---------------------------------------------------------------------------------------------
# Notifications


def write_completion(message: Completion, version: int) -> Fields:
    """Write a completion."""
    fields = result_field(message.result, version)
    fields["completion_id"] = message.completion_id
    return fields


def read_completion(kind: CompletionKind, pb: Any, _version: int) -> Message:
    """Read a completion; its kind is the type of the message."""
    read_one_of(pb, "id")
    return Completion(kind, pb.completion_id, read_result(pb))


def write_signal_notification(message: messages.Signal, version: int) -> Fields:
    """Write a signal."""
    return {**signal_field(message.signal), **result_field(message.result, version)}


def read_signal_notification(pb: Any, _version: int) -> Message:
    """Read a signal."""
    return messages.Signal(read_signal(pb, "id"), read_result(pb))


# ---------------------------------------------------------------------------------------------
# The table


def _write_as_is(message: Message, _version: int) -> Fields:
    return asdict(message)


def _reader_as_is(cls: type[Message]) -> Read:
    """Make a reader for messages whose fields are all plain."""
    names: Iterable[str] = cls.__struct_fields__
    match list(names):
        case []:
            return lambda _pb, _version: cls()
        case [name]:
            get_one = attrgetter(name)
            return lambda pb, _version: cls(get_one(pb))
        case several:
            get = attrgetter(*several)
            return lambda pb, _version: cls(*get(pb))


_AS_IS: Final[tuple[type[Message], ...]] = (
    messages.End,
    messages.CommandAck,
    messages.ProposeRunCompletionAck,
    messages.GetLazyState,
    messages.ClearState,
    messages.ClearAllState,
    messages.GetLazyStateKeys,
    messages.GetPromise,
    messages.PeekPromise,
    messages.Run,
)
_ODD: Final[dict[type[Message], tuple[Write, Read]]] = {
    messages.Start: (_write_start, _read_start),
    messages.Suspension: (_write_suspension, _read_suspension),
    messages.Error: (_write_error, _read_error),
    messages.ProposeRunCompletion: (_write_proposal, _read_proposal),
    messages.AwaitingOn: (_write_awaiting, _read_awaiting),
    messages.Input: (_write_input, _read_input),
    messages.Output: (_write_output, _read_output),
    messages.Sleep: (_write_sleep, _reader_as_is(messages.Sleep)),
    messages.SetState: (_write_set_state, _read_set_state),
    messages.GetEagerState: one_of(messages.GetEagerState, "result", result_field, read_result),
    messages.GetEagerStateKeys: (_write_keys, _read_keys),
    messages.CompletePromise: one_of(
        messages.CompletePromise,
        "completion",
        result_field,
        partial(read_result, name="completion"),
    ),
    messages.Call: (_write_call, _reader_of_calls(messages.Call)),
    messages.OneWayCall: (_write_call, _reader_of_calls(messages.OneWayCall)),
    messages.SendSignal: (_write_send_signal, _read_send_signal),
    messages.AttachInvocation: one_of(
        messages.AttachInvocation, "target", target_field, read_target
    ),
    messages.GetInvocationOutput: one_of(
        messages.GetInvocationOutput, "target", target_field, read_target
    ),
    messages.CompleteAwakeable: one_of(
        messages.CompleteAwakeable, "result", result_field, read_result
    ),
}
#: How messages other than notifications are written and read.
TABLE: Final[dict[type[Message], tuple[Write, Read]]] = {
    **{cls: (_write_as_is, _reader_as_is(cls)) for cls in _AS_IS},
    **_ODD,
}
