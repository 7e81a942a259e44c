"""A journal: what one invocation did and was told, in order, from its input on."""

from __future__ import annotations

from msgspec import Struct

from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import JournalMessage


class JournalEntry(Struct, frozen=True, array_like=True, gc=False):
    """One entry: the message, when it was appended, and whom a call command called."""

    appended_at: int
    message: JournalMessage
    callee: InvocationId | None = None


class JournalSize(Struct, frozen=True, array_like=True, gc=False):
    """How long a journal is: all entries, and the commands among them."""

    entries: int = 0
    commands: int = 0
