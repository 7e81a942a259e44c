"""Defects between partitions: of the outbox, the intake, and who has what."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine import apply
from perdure.core.model.shares import ALONE
from perdure.core.tables.changes import RowTable
from perdure.core.tables.keys import partition_fact
from perdure.core.tables.tables import TAKEN
from perdure.engine.intake import Intake
from perdure.engine.outbox import Road
from perdure.links.following import Publisher
from perdure.links.routed import RoutedRequests
from simworld.planted.change import Change, handler, instead


def acknowledge_a_parcel_at_once() -> list[Change]:
    """The other partition forgets what is not durable here yet."""

    def make(real):
        def take(self, parcel, acknowledge):
            acknowledge(parcel.first + len(parcel.messages) - 1)
            real(self, parcel, lambda _upto: None)

        return take

    return instead(Intake, "take", make)


def take_a_parcel_again() -> list[Change]:
    """Whatever comes is taken, whether it came before or not."""

    def take_all(step, body):
        name = partition_fact(TAKEN, body.source)
        last = max(step.tables.facts.get(name) or 0, body.first + len(body.messages) - 1)
        step.tables.facts.put(name, last)
        for message in body.messages:
            step.deliver(message)

    return handler("Delivered", lambda _: take_all)


def forget_what_was_taken() -> list[Change]:
    """The number of the last message that was taken does not reach the store."""

    def make(real):
        def gather(self, *changes):
            if self.tag == b"m":
                self.changed = {
                    key: row for key, row in self.changed.items() if not key.startswith(TAKEN)
                }
            return real(self, *changes)

        return gather

    return instead(RowTable, "gather", make)


def ship_only_what_is_new() -> list[Change]:
    """What was on the way when a link ended is not shipped over the next one."""

    def make(real):
        def open_road(self, taken, send):
            real(self, taken, send)
            self._sent = self._last

        return open_road

    return instead(Road, "open", make)


def forget_one_too_many() -> list[Change]:
    def make(real):
        return lambda step, body: real(step, replace(body, upto=body.upto + 1))

    return handler("Shipped", make)


def forget_nothing_that_was_shipped() -> list[Change]:
    return [(Road, "_forget_soon", lambda _self: None)]


def ship_the_newest_first() -> list[Change]:
    """The messages of a parcel stand in another order than in the outbox."""

    def make(real):
        def load(self):
            parcel, size = real(self)
            return replace(parcel, messages=parcel.messages[::-1]), size

        return load

    return instead(Road, "_load", make)


def run_whatever_comes() -> list[Change]:
    """A message for another partition takes effect in the one that sends it."""

    def make(real):
        return lambda step, _share, deliveries_max: real(step, ALONE, deliveries_max)

    return instead(apply, "deliver", make)


def publish_nothing() -> list[Change]:
    """What is registered while the server runs is known to the first partition alone."""
    return [(Publisher, "publish", lambda _self, _edition: None)]


def ask_nobody_else() -> list[Change]:
    """A request is answered by the partition it came to, whoever has its invocation."""

    def make(real):
        def __init__(self, share, local, links):  # noqa: N807 - it takes the place of one
            real(self, ALONE if local.clock.chance() < 0.2 else share, local, links)

        return __init__

    return instead(RoutedRequests, "__init__", make)
