"""Nested values on the wire: results, signals and targets within messages.

Writers give the fields from which the protobuf library makes a message; readers take a message
that it has parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from msgspec.structs import asdict

from perdure.protocol.messages import (
    VOID,
    AttachTarget,
    Failure,
    Headers,
    IdempotentRequestTarget,
    InvocationIdentity,
    InvocationTarget,
    Message,
    Result,
    StateKeys,
    Value,
    WorkflowTarget,
)
from perdure.protocol.versions import VERSION_FAILURE_METADATA, VERSION_FUTURE_TREES

Fields = dict[str, Any]


class MissingPartError(ValueError):
    """A message lacks a part that it must have."""


def read_one_of(pb: Any, name: str) -> tuple[str, Any]:
    """Give name and content of that member of a oneof which is present.

    Raises:
        MissingPartError: none is.
    """
    member = pb.WhichOneof(name)
    if member is None:
        raise MissingPartError(f"it has no {name}")
    return member, getattr(pb, member)


def read_optional(pb: Any, name: str) -> Any:
    """Give a field, or None if it is absent."""
    return getattr(pb, name) if pb.HasField(name) else None


def pair_fields(pairs: Headers) -> list[Fields]:
    """Write headers, or metadata of a failure."""
    return [{"key": key, "value": value} for key, value in pairs]


def read_pairs(pairs: Iterable[Any]) -> Headers:
    """Read headers, or metadata of a failure."""
    return tuple([(pair.key, pair.value) for pair in pairs])


def result_field(result: Result, version: int) -> Fields:
    """Write a result as the member of the oneof that it is."""
    if type(result) is Value:
        return {"value": {"content": result.content}}
    if type(result) is Failure:
        return {"failure": _failure_fields(result, version)}
    if type(result) is InvocationIdentity:
        return {"invocation_id": result.invocation_id}
    if type(result) is StateKeys:
        return {"state_keys": {"keys": result.keys}}
    return {"void": {}}


def read_result(pb: Any, *, name: str = "result") -> Any:
    """Read a result.

    Raises:
        MissingPartError: there is none.
    """
    member, content = read_one_of(pb, name)
    if member == "value":
        return Value(content.content)
    if member == "void":
        return VOID
    if member == "failure":
        return Failure(content.code, content.message, read_pairs(content.metadata))
    if member == "invocation_id":
        return InvocationIdentity(content)
    return StateKeys(tuple(content.keys))


def _failure_fields(failure: Failure, version: int) -> Fields:
    fields: Fields = {"code": failure.code, "message": failure.message}
    if failure.metadata and version >= VERSION_FAILURE_METADATA:
        fields["metadata"] = pair_fields(failure.metadata)
    return fields


def signal_field(signal: int | str) -> Fields:
    """Write which signal is meant."""
    return {"named": signal} if isinstance(signal, str) else {"index": signal}


def read_signal(pb: Any, name: str) -> int | str:
    """Read which signal is meant.

    Raises:
        MissingPartError: it is not said.
    """
    signal: int | str = read_one_of(pb, name)[1]
    return signal


def target_field(target: AttachTarget, version: int) -> Fields:
    """Write which invocation is meant."""
    if isinstance(target, InvocationTarget):
        return {"invocation_id": target.invocation_id}
    fields = asdict(target)
    if version < VERSION_FUTURE_TREES:
        del fields["scope"]
    return {"workflow" if isinstance(target, WorkflowTarget) else "idempotent": fields}


def read_target(pb: Any) -> AttachTarget:
    """Read which invocation is meant.

    Raises:
        MissingPartError: it is not said.
    """
    member, content = read_one_of(pb, "target")
    if member == "invocation_id":
        return InvocationTarget(content)
    scope = read_optional(content, "scope")
    if member == "workflow":
        return WorkflowTarget(content.workflow_name, content.workflow_key, scope)
    return IdempotentRequestTarget(
        service_name=content.service_name,
        handler_name=content.handler_name,
        idempotency_key=content.idempotency_key,
        service_key=read_optional(content, "service_key"),
        scope=scope,
    )


def one_of(
    cls: type[Message],
    name: str,
    write_part: Callable[[Any, int], Fields],
    read_part: Callable[[Any], Any],
) -> tuple[Callable[[Any, int], Fields], Callable[[Any, int], Message]]:
    """Give writer and reader of messages with one nested part, and plain fields beside it.

    Args:
        cls: The message.
        name: Which of its fields is the nested part.
        write_part: Writes that part.
        read_part: Reads that part out of the parsed message.
    """
    plain = [each for each in cls.__struct_fields__ if each != name]
    pick = attrgetter(*plain)

    def values(source: Any) -> Fields:
        found = pick(source)
        return {plain[0]: found} if len(plain) == 1 else dict(zip(plain, found, strict=True))

    def write(message: Any, version: int) -> Fields:
        fields = write_part(getattr(message, name), version)
        fields.update(values(message))
        return fields

    def read(pb: Any, _version: int) -> Message:
        return cls(**{name: read_part(pb)}, **values(pb))

    return write, read
