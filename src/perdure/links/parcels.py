"""Messages between partitions, over their links: from one's outbox into the other's intake."""

from __future__ import annotations

from collections.abc import Callable

from perdure.core.model.records import Delivered
from perdure.engine.engine import Engine
from perdure.engine.errors import RefusalError
from perdure.engine.ports import StorageError
from perdure.links.conversation import OnAnswer
from perdure.links.errors import LinkLostError
from perdure.links.links import Links
from perdure.links.questions import ReadTaken, TakeParcel


async def carry(links: Links, engine: Engine) -> None:
    """Carry messages to and from all other partitions; return when these do the same.

    Args:
        links: to the others.
        engine: has started.

    Raises:
        DivergedError: another partition and this one disagree about what it has taken.
        StorageError: this partition has failed.
    """
    carrier = Carrier(links, engine)
    links.answer(ReadTaken, carrier.tell_taken)
    links.answer(TakeParcel, carrier.take)
    for partition in links.partitions:
        await carrier.open(partition)


class Carrier:
    """Connects one engine with all links; made by :func:`carry`."""

    def __init__(self, links: Links, engine: Engine) -> None:
        self._links = links
        self._engine = engine

    def tell_taken(self, question: ReadTaken, on_answer: OnAnswer) -> None:
        """Say which messages of another partition are here."""
        on_answer(self._engine.intake.taken(question.source))

    def take(self, question: TakeParcel, on_answer: OnAnswer) -> None:
        """Take a parcel, and say so once it is durable."""
        try:
            self._engine.intake.take(question.parcel, on_answer)
        except StorageError as error:
            self._engine.partition.fail(error)

    async def open(self, partition: int) -> None:
        """Ship what another partition has not taken yet, unless its process is gone."""
        links, engine = self._links, self._engine
        try:
            taken = await links.asked(partition, ReadTaken(links.share.index))
        except LinkLostError:
            return  # of which others tell
        if engine.partition.failure is not None:
            raise engine.partition.failure
        engine.outbox.open(partition, taken, self._sender(partition))

    def _sender(self, partition: int) -> Callable[[Delivered], None]:
        links, outbox = self._links, self._engine.outbox

        def on_answer(upto: int | RefusalError) -> None:
            if isinstance(upto, RefusalError):
                self._unanswered(partition, upto)
            else:
                outbox.acknowledged(partition, upto)

        def send(parcel: Delivered) -> None:
            links.ask(partition, TakeParcel(parcel), on_answer)

        return send

    def _unanswered(self, partition: int, refusal: RefusalError) -> None:
        """Ship nothing more to a process that is gone; a defect must not leave messages waiting."""
        self._engine.outbox.close(partition)
        if not isinstance(refusal, LinkLostError):
            self._engine.partition.fail(refusal)
