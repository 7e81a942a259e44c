"""The determinism check: what a handler issues in replay against what the journal holds.

Types must match first, then the fields (service protocol, section 6). Not compared is what may
differ between honest attempts: when a sleep or a delayed call is due, and what the server or an
earlier attempt filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from perdure.protocol.messages import (
    Command,
    Failure,
    GetEagerState,
    GetEagerStateKeys,
    Input,
    OneWayCall,
    Output,
    Sleep,
    Value,
)
from perdure.sdk.machine.errors import CommandReference, JournalMismatchError

_NOT_COMPARED: Final[Mapping[type, frozenset[str]]] = {
    Input: frozenset({"value", "headers", "name"}),
    GetEagerState: frozenset({"result"}),
    GetEagerStateKeys: frozenset({"keys"}),
    Sleep: frozenset({"wake_up_time", "result_completion_id"}),
    OneWayCall: frozenset({"invoke_time"}),
}
#: Fields whose content is the user's data: errors tell that they differ, never what they hold.
_PRIVATE: Final = frozenset({"parameter", "headers"})

_REASON_MAX: Final = 500
_ADVICE: Final = (
    "A handler must do the same in every attempt. Put whatever may differ (time, random numbers, "
    "I/O, global state) into ctx.run, ctx.time() or ctx.random(), and sort a set before you go "
    "through it. If the code was changed while this invocation ran, deploy the old code again at "
    "its old address and register the new code as another deployment, so that invocations end with "
    "the code they began with."
)


def check(recorded: Command, issued: Command, index: int) -> None:
    """Compare a command of the journal with the one that the handler issues in its place.

    Raises:
        JournalMismatchError: they differ; the message says where, and what to do.
    """
    kind = type(recorded)
    if kind is not type(issued):
        what = f"the handler issues {described(issued)} where the journal has another"
        raise _mismatch(recorded, index, what + _reason(issued))
    if recorded == issued:
        return
    for field in _compared(kind):
        was, now = getattr(recorded, field), getattr(issued, field)
        if was != now:
            raise _mismatch(recorded, index, _difference(field, was, now))


@cache
def _compared(kind: type[Command]) -> list[str]:
    """List the fields in which honest attempts cannot differ."""
    ignored = _NOT_COMPARED.get(kind, frozenset())
    return [field for field in kind.__struct_fields__ if field not in ignored]


def stuck(recorded: Command, index: int) -> JournalMismatchError:
    """Say that the handler waits although the journal tells what it did next."""
    return _mismatch(
        recorded,
        index,
        "the handler waits here for something that earlier attempts did not wait for, "
        "and so never issues it",
    )


def unfinished(recorded: Command, index: int) -> JournalMismatchError:
    """Say that the handler ended although the journal tells what it did next."""
    return _mismatch(recorded, index, "the handler ends without issuing it")


def described(command: Command) -> str:
    """Name a command for people: its type, its target if it has one, its name."""
    parts = [type(command).__name__]
    parts.extend(
        f"{field}={_text(getattr(command, field))}"
        for field in ("service_name", "handler_name", "key")
        if getattr(command, field, None)
    )
    if command.name:
        parts.append(repr(command.name))
    return " ".join(parts)


def _reason(issued: Command) -> str:
    """Say why a handler ends with a failure: it may be that its code reads old data no longer."""
    if not (isinstance(issued, Output) and isinstance(issued.result, Failure)):
        return ""
    return f", because it fails: {issued.result.message[:_REASON_MAX]}"


def _mismatch(recorded: Command, index: int, what: str) -> JournalMismatchError:
    return JournalMismatchError(
        f"The handler does not repeat its journal: command {index} of the journal is "
        f"{described(recorded)}, and {what}. {_ADVICE}",
        CommandReference.of(index, recorded),
    )


def _difference(field: str, was: Any, now: Any) -> str:
    if type(was) is not type(now):
        return f"the field {field!r} was {_shown(field, was)} and now is {_shown(field, now)}"
    if isinstance(was, Value):
        return _difference("value", was.content, now.content)
    if isinstance(was, bytes) and field != "key":
        sizes = f"{len(was)} bytes in the journal, {len(now)} bytes now"
        return (
            f"the bytes of the field {field!r} differ ({sizes}); a serde must write equal values "
            "in equal bytes, so mind unordered sets and the order of keys"
        )
    if field in _PRIVATE:
        return f"the field {field!r} differs"
    return f"the field {field!r} was {_shown(field, was)} and now is {_shown(field, now)}"


def _shown(field: str, value: Any) -> str:
    if field in _PRIVATE or isinstance(value, Value):
        return f"a {type(value).__name__}"
    if isinstance(value, Failure):
        return f"a failure with code {value.code}"
    return _text(value)


def _text(value: Any) -> str:
    """Write a value as people know it: keys of state are bytes in the journal only."""
    return repr(value.decode(errors="replace") if isinstance(value, bytes) else value)
