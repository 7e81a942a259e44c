"""A journal as JSON documents: what each entry says, with contents as text where they are text."""

from __future__ import annotations

from base64 import b64encode
from enum import Enum
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from perdure.core.model.instants import utc_text
from perdure.core.model.journals import JournalEntry
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import Completion, JournalMessage, Signal, Value


class EntryDocument(Struct):
    """One entry of a journal."""

    index: int
    #: ``Command: …`` if the handler made it, ``Notification: …`` if it was told.
    entry_type: str
    appended_at: str
    name: str
    #: What the entry says; bytes that are no text as ``{"base64": …}``.
    content: dict[str, Any]
    invoked_id: str | UnsetType = UNSET


class JournalDocument(Struct):
    """A journal, or a page of it, in order."""

    entries: list[EntryDocument]


def show_entry(index: int, entry: JournalEntry) -> EntryDocument:
    """Show an entry."""
    content = _fields(entry.message)
    return EntryDocument(
        index=index,
        entry_type=_entry_type(entry.message),
        appended_at=utc_text(entry.appended_at),
        name=content.pop("name", ""),
        content=content,
        invoked_id=UNSET if entry.callee is None else invocation_text(entry.callee),
    )


def _entry_type(message: JournalMessage) -> str:
    if isinstance(message, Completion):
        return "Notification: " + "".join(map(str.capitalize, message.kind.name.split("_")))
    if isinstance(message, Signal):
        return "Notification: Signal"
    return f"Command: {type(message).__name__}"


def _fields(message: Struct) -> dict[str, Any]:
    return {
        name: _plain(getattr(message, name))
        for name in message.__struct_fields__
        if getattr(message, name) is not None
    }


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return _text(value)
        case Value(content=content):
            return _text(content)
        case Enum():
            return value.name.lower()
        case Struct():
            return _fields(value)
        case tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _text(content: bytes) -> str | dict[str, str]:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(content).decode()}
