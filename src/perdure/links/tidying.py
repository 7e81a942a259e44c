"""Superseded deployments of a server with several partitions: dropped if none of them needs one."""

from __future__ import annotations

from perdure.core.tables.tables import Tables
from perdure.engine.registry import RegistryKeeper
from perdure.engine.superseded import drop, many_superseded, pinned
from perdure.links.conversation import OnAnswer
from perdure.links.links import Links
from perdure.links.questions import ListPinned


def tell_pinned(links: Links, tables: Tables) -> None:
    """Tell the first partition's process which deployments are needed here, whenever it asks.

    Args:
        links: to the others.
        tables: all invocations of this partition, recovered.
    """

    def answer(_question: ListPinned, on_answer: OnAnswer) -> None:
        on_answer(tuple(pinned(tables)))

    links.answer(ListPinned, answer)


async def drop_superseded_by_all(links: Links, keeper: RegistryKeeper, tables: Tables) -> None:
    """Drop superseded deployments if there are many, once all partitions have started.

    No door is open yet, so that nobody can have an invocation go on with one of them meanwhile:
    what begins by itself does so with the newest.

    Args:
        links: to the others, which :func:`tell_pinned`.
        keeper: the registry, with what this process serves registered.
        tables: all invocations of this partition, recovered.

    Raises:
        RefusalError: a partition cannot be asked.
        StorageError: the change could not be made durable; nothing was changed.
    """
    dropped = many_superseded(keeper)
    if not dropped:
        return
    for partition in links.partitions:
        dropped.difference_update(await links.asked(partition, ListPinned()))
    drop(keeper, dropped - pinned(tables))
