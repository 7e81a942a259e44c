"""Texts that several columns share: failures, outcomes, awaited futures, types of services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from perdure.core.model.invocations import Problem
from perdure.core.model.targets import HandlerKind
from perdure.protocol.messages import Combinator, Failure, Future, JournalMessage
from perdure.protocol.trees import fold

_ENCODE: Final = msgspec.json.Encoder().encode

#: What the manifest's combinators are called in JSON.
_COMBINATORS: Final = {
    Combinator.UNKNOWN: "Unknown",
    Combinator.FIRST_COMPLETED: "FirstCompleted",
    Combinator.ALL_COMPLETED: "AllCompleted",
    Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED: "FirstSucceededOrAllFailed",
    Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED: "AllSucceededOrFirstFailed",
}

SERVICE_TYPES: Final = {
    HandlerKind.SERVICE: "service",
    HandlerKind.EXCLUSIVE: "virtual_object",
    HandlerKind.SHARED: "virtual_object",
    HandlerKind.WORKFLOW: "workflow",
    HandlerKind.WORKFLOW_SHARED: "workflow",
}

#: Commands by the number of their type on the wire.
_COMMAND_NAMES: Final[dict[object, str]] = {
    command.__struct_config__.tag: command.__name__ for command in JournalMessage.__args__
}


def json_text(value: object) -> str:
    """Write a value as JSON."""
    return _ENCODE(value).decode()


def failure_text(failure: Failure) -> str:
    """Write a terminal failure as ``[code] message``."""
    return f"[{failure.code}] {failure.message}"


def problem_text(problem: Problem) -> str:
    """Write why an attempt failed, with the stack trace if there is one."""
    first = f"[{problem.code}] {problem.message}"
    return f"{first}\n{problem.stacktrace}" if problem.stacktrace else first


def command_name(number: int | None) -> str | None:
    """Name a type of command."""
    return None if number is None else _COMMAND_NAMES.get(number)


def problem_document(problem: Problem) -> dict[str, Any]:
    """Give a failed attempt as events tell it; what is not known is left out."""
    document: dict[str, Any] = {
        "error_code": problem.code,
        "error_message": problem.message,
        "error_stacktrace": problem.stacktrace or None,
        "restate_doc_error_code": problem.doc_code,
        "related_command_index": problem.related_command_index,
        "related_command_name": problem.related_command_name or None,
        "related_command_type": command_name(problem.related_command_type),
    }
    return {name: value for name, value in document.items() if value is not None}


def future_text(future: Future) -> str:
    """Give what is awaited as a tree, in JSON."""
    return fold(future, _one_future_text)


def _one_future_text(future: Future, nested: Sequence[str]) -> str:
    singles: list[dict[str, Any]] = [
        *({"CompletionId": number} for number in future.completions),
        *({"SignalIndex": number} for number in future.signals),
        *({"SignalName": name} for name in future.named_signals),
    ]
    children = [*(json_text({"Single": single}) for single in singles), *nested]
    if len(children) == 1:
        return children[0]
    return f'{{"{_COMBINATORS[future.combinator]}":[{",".join(children)}]}}'


def leaves(future: Future) -> tuple[list[int], list[int]]:
    """Give the completions and the signals that are awaited anywhere in a tree."""
    completions, signals, left = set[int](), set[int](), [future]
    while left:
        node = left.pop()
        completions.update(node.completions)
        signals.update(node.signals)
        left.extend(node.nested)
    return sorted(completions), sorted(signals)
