"""One application of one record: the tables it may change, and what comes of it.

Messages from one invocation to another are delivered after the handler that sent them is done, in
the order of sending: no handler ever sees a row that another one is in the middle of changing.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from msgspec import Struct

from perdure.core.machine.actions import Action, Notify
from perdure.core.model.journals import JournalEntry
from perdure.core.model.records import Message
from perdure.core.tables.keys import index_key
from perdure.core.tables.tables import Tables
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import (
    Command,
    Completion,
    CompletionKind,
    JournalMessage,
    Notification,
    Result,
)

#: What nearly all records send. A queue takes as long to make as a record to be decoded.
_NOTHING: Final[deque[Message]] = deque(maxlen=0)


class Step(Struct, eq=False, gc=False):
    """What a handler of records works with."""

    tables: Tables
    #: Milliseconds since 1970, from the record.
    now: int
    actions: list[Action] = []
    deliveries: deque[Message] = _NOTHING

    def act(self, action: Action) -> None:
        """Ask for something to be done once the record is durable, which it is."""
        self.actions.append(action)

    def deliver(self, message: Message) -> None:
        """Send a message to another invocation, or to this one for later."""
        if self.deliveries is _NOTHING:
            self.deliveries = deque()
        self.deliveries.append(message)


class Journal(Struct, eq=False, gc=False):
    """The end of an invocation's journal, while entries are appended to it."""

    _step: Step
    _id: InvocationId
    entries: int
    commands: int

    def command(self, message: Command, callee: InvocationId | None = None) -> None:
        """Append a command."""
        self.commands += 1
        self._append(message, callee)

    def notify(self, notification: Notification) -> None:
        """Append a notification and forward it to the open attempt."""
        self._step.act(Notify(self._id, self.entries, notification))
        self._append(notification)

    def complete(self, kind: CompletionKind, completion_id: int, result: Result) -> None:
        """Answer a command right behind it."""
        self.notify(Completion(kind, completion_id, result))

    def store(self, notification: Notification) -> None:
        """Append a notification for which no attempt is open."""
        self._append(notification)

    def _append(self, message: JournalMessage, callee: InvocationId | None = None) -> None:
        step = self._step
        step.tables.journals.put(
            self._id, index_key(self.entries), JournalEntry(step.now, message, callee)
        )
        self.entries += 1
