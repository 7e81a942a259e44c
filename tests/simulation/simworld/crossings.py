"""What goes from one partition to another: durable where it comes from, and taken once, in order.

Read from the records that became durable, whatever engines make of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from perdure.core.machine.actions import Action, Ship
from perdure.core.model.records import Delivered, Message, RecordBody, Shipped
from perdure.core.tables.keys import outbox_key, partition_fact
from perdure.core.tables.tables import TAKEN
from simworld.hardware import Estate
from simworld.history import History


class Crossings:
    """All messages between partitions."""

    def __init__(self, estates: Sequence[Estate], history: History) -> None:
        self._estates = estates
        self._history = history
        #: What each partition durably has for another one: by both, in the order of numbers.
        self._posted: dict[tuple[int, int], list[Message]] = defaultdict(list)
        self._taken: dict[tuple[int, int], int] = defaultdict(int)
        for here, estate in enumerate(estates):
            estate.truth.heed = partial(self._heed, here)

    def open(self) -> int:
        """Count the messages that were not taken yet."""
        return sum(len(posted) - self._taken[way] for way, posted in self._posted.items())

    def _heed(self, here: int, body: RecordBody, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Ship):
                self._post(here, action)
        if isinstance(body, Delivered):
            self._take(here, body)
        elif isinstance(body, Shipped):
            self._forget(here, body)

    def _post(self, here: int, action: Ship) -> None:
        posted = self._posted[here, action.destination]
        key = outbox_key(action.destination, action.number)
        message = self._estates[here].truth.machine.tables.outbox.get(key)
        if message is None or action.number != len(posted) + 1:
            self._accuse(f"message {action.number} of {here} comes after {len(posted)}")
        else:
            posted.append(message)

    def _take(self, here: int, body: Delivered) -> None:
        way = (body.source, here)
        first, end = body.first - 1, body.first - 1 + len(body.messages)
        if tuple(self._posted[way][first:end]) != body.messages:
            self._accuse(f"{here} took from {body.source} what is not in its log")
        if first > self._taken[way]:
            self._accuse(f"{here} took message {body.first} of {body.source} before others")
        self._taken[way] = max(self._taken[way], end)
        if self._fact(here, body.source) != self._taken[way]:
            self._accuse(f"{here} does not know what it has taken of {body.source}")

    def _forget(self, here: int, body: Shipped) -> None:
        if body.upto > self._taken[here, body.destination]:
            self._accuse(f"{here} forgot message {body.upto}, which {body.destination} lacks")

    def _fact(self, here: int, source: int) -> int:
        facts = self._estates[here].truth.machine.tables.facts
        return facts.get(partition_fact(TAKEN, source)) or 0

    def _accuse(self, what: str) -> None:
        self._history.accuse("crossing", what)
