"""The protocol's messages as protobuf knows them (service protocol, section 4).

Each line is a message with its fields, ``name:type=number``; ``?`` behind the type marks a field
whose absence is told from its zero, ``*`` one that repeats, and ``name(a|b)`` fields of which at
most one is present. Enumerations are plain numbers here, so that unknown ones survive decoding,
and nested futures are bytes, which :mod:`perdure.protocol.wire_trees` goes into.
From this the protobuf library makes classes when the module is imported: there is no generated
code, and no second compiler to agree with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

_PACKAGE: Final = "perdure.protocol"

_MESSAGES: Final = """
    Void
    Value content:bytes=1
    Pair key:string=1 value:string=2
    Failure code:uint32=1 message:string=2 metadata:Pair*=3
    StateKeys keys:bytes*=1
    StateEntry key:bytes=1 value:bytes=2
    Future completions:uint32*=1 signals:uint32*=2 named_signals:string*=3 nested:bytes*=4
        combinator:uint32=5

    Start id:bytes=1 debug_id:string=2 known_entries:uint32=3 state_map:StateEntry*=4
        partial_state:bool=5 key:string=6 retry_count_since_last_stored_entry:uint32=7
        duration_since_last_stored_entry:uint64=8 random_seed:uint64=9 scope:string?=10
        limit_key:string?=11 idempotency_key:string?=12
    Suspension completions:uint32*=1 signals:uint32*=2 named_signals:string*=3
        awaiting_on:Future=4
    Error code:uint32=1 message:string=2 stacktrace:string=3 related_command_index:uint32?=4
        related_command_name:string?=5 related_command_type:uint32?=6 next_retry_delay:uint64?=8
        behavior:uint32=9
    End
    CommandAck command_index:uint32=1
    ProposeRunCompletion result_completion_id:uint32=1 result(value:bytes=14|failure:Failure=15)
    AwaitingOn awaiting_on:Future=1 executing_side_effects:bool=2
    ProposeRunCompletionAck completion_id:uint32=1

    Input headers:Pair*=1 name:string=12 value:Value=14
    Output name:string=12 result(value:Value=14|failure:Failure=15)
    GetLazyState key:bytes=1 result_completion_id:uint32=11 name:string=12
    SetState key:bytes=1 value:Value=3 name:string=12
    ClearState key:bytes=1 name:string=12
    ClearAllState name:string=12
    GetLazyStateKeys result_completion_id:uint32=11 name:string=12
    GetEagerState key:bytes=1 name:string=12 result(void:Void=13|value:Value=14)
    GetEagerStateKeys name:string=12 keys:StateKeys=14
    GetPromise key:string=1 result_completion_id:uint32=11 name:string=12
    PeekPromise key:string=1 result_completion_id:uint32=11 name:string=12
    CompletePromise key:string=1 completion(value:Value=2|failure:Failure=3)
        result_completion_id:uint32=11 name:string=12
    Sleep wake_up_time:uint64=1 result_completion_id:uint32=11 name:string=12
    Call service_name:string=1 handler_name:string=2 parameter:bytes=3 headers:Pair*=4 key:string=5
        idempotency_key:string?=6 scope:string?=7 limit_key:string?=8
        invocation_id_notification_idx:uint32=10 result_completion_id:uint32=11 name:string=12
    OneWayCall service_name:string=1 handler_name:string=2 parameter:bytes=3 invoke_time:uint64=4
        headers:Pair*=5 key:string=6 idempotency_key:string?=7 scope:string?=8 limit_key:string?=9
        invocation_id_notification_idx:uint32=10 name:string=12
    SendSignal target_invocation_id:string=1 signal(index:uint32=2|named:string=3)
        result(void:Void=4|value:Value=5|failure:Failure=6) name:string=12
    Run result_completion_id:uint32=11 name:string=12
    WorkflowTarget workflow_name:string=1 workflow_key:string=2 scope:string?=3
    IdempotentRequestTarget service_name:string=1 service_key:string?=2 handler_name:string=3
        idempotency_key:string=4 scope:string?=5
    AttachInvocation
        target(invocation_id:string=1|idempotent:IdempotentRequestTarget=3|workflow:WorkflowTarget=4)
        result_completion_id:uint32=11 name:string=12
    GetInvocationOutput
        target(invocation_id:string=1|idempotent:IdempotentRequestTarget=3|workflow:WorkflowTarget=4)
        result_completion_id:uint32=11 name:string=12
    CompleteAwakeable awakeable_id:string=1 result(value:Value=2|failure:Failure=3) name:string=12

    Notification id(completion_id:uint32=1|index:uint32=2|named:string=3)
        result(void:Void=4|value:Value=5|failure:Failure=6|invocation_id:string=16
        |state_keys:StateKeys=17)
"""

_ONE_OF: Final = re.compile(r"(\w+)\(([^)]*)\)")
_FIELD: Final = re.compile(r"(\w+):(\w+)([?*]?)=(\d+)")
#: A message begins four spaces in; what is further in continues it.
_MESSAGE: Final = re.compile(r"^ {4}(\w+)((?:.*\n {8,})*.*)$", re.MULTILINE)

_SCALARS: Final = {
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
}


def _message(name: str, text: str) -> DescriptorProto:
    described = DescriptorProto(name=name)
    for one_of, members in _ONE_OF.findall(text):
        described.oneof_decl.add(name=one_of)
        for member in _FIELD.findall(members):
            _add(described, *member).oneof_index = len(described.oneof_decl) - 1
    plain = _FIELD.findall(_ONE_OF.sub("", text))
    for field in plain:
        _add(described, *field)
    # Presence of a lone field is a choice of one among one; these stand behind all others.
    for field_name, _, mark, _ in plain:
        if mark == "?":
            described.oneof_decl.add(name=f"_{field_name}")
            field = next(each for each in described.field if each.name == field_name)
            field.oneof_index = len(described.oneof_decl) - 1
            field.proto3_optional = True
    return described


def _add(
    described: DescriptorProto, name: str, kind: str, mark: str, number: str
) -> FieldDescriptorProto:
    field = described.field.add(name=name, number=int(number))
    repeated = mark == "*"
    field.label = (
        FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    )
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    return field


def _message_classes() -> dict[str, Any]:
    file = FileDescriptorProto(name="perdure/protocol.proto", package=_PACKAGE, syntax="proto3")
    file.message_type.extend(_message(*found.groups()) for found in _MESSAGE.finditer(_MESSAGES))
    # A pool of its own: two versions of this module can live in one process.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [message.name for message in file.message_type]
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in names
    }


#: The protobuf classes of all messages, by name.
CLASSES: Final[Mapping[str, Any]] = _message_classes()
