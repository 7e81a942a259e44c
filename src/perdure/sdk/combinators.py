"""Waiting for several durable futures, in the official SDK's way.

``asyncio``'s own tools do as well. What these have over them: they never cancel anything, and the
server is told whether one result is enough or all are needed, so that a suspended invocation is
not woken for less.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from perdure.sdk.errors import ContextMisuseError
from perdure.sdk.futures import DurableFuture
from perdure.sdk.groups import AllOf, Arrivals


async def gather(*futures: DurableFuture[Any]) -> list[DurableFuture[Any]]:
    """Wait until all futures are done, and give them back; await each for its result.

    Raises:
        ContextMisuseError: something else than a durable future is given.
    """
    pending = [future for future in _checked(futures) if not future.done()]
    if pending:
        # The same future twice is one to wait for.
        distinct = list(dict.fromkeys(pending))
        group = AllOf(asyncio.get_running_loop(), len(distinct))
        for future in distinct:
            future.watch(group)
        await group.waiter
    return list(futures)


async def wait_completed(
    *futures: DurableFuture[Any],
) -> tuple[list[DurableFuture[Any]], list[DurableFuture[Any]]]:
    """Wait until at least one future is done; give those that are, and those that are not.

    Raises:
        ContextMisuseError: something else than a durable future is given.
    """
    for future in _checked(futures):
        future.note()
    if futures and not any(future.done() for future in futures):
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for future in futures:
            future.watch(waiter)
        await waiter
    done = [future for future in futures if future.done()]
    return done, [future for future in futures if not future.done()]


async def select(**futures: DurableFuture[Any]) -> list[Any]:
    """Wait for the first future that is done; give its name and its result.

    ```python
    match await select(answer=answer, timeout=ctx.sleep(timedelta(days=1))):
        case ["answer", value]:
            return value
        case _:
            raise TerminalError("Nobody has answered")
    ```

    Raises:
        ContextMisuseError: nothing is given, or something else than a durable future.
    """
    if not futures:
        raise ContextMisuseError("select needs a future: write `select(name=future)`")
    done, _ = await wait_completed(*futures.values())
    name = next(name for name, future in futures.items() if future is done[0])
    return [name, await done[0]]


async def as_completed(*futures: DurableFuture[Any]) -> AsyncIterator[DurableFuture[Any]]:
    """Give the futures as they are done; await each for its result.

    Raises:
        ContextMisuseError: something else than a durable future is given.
    """
    places: dict[asyncio.Future[Any], list[int]] = {}
    for place, future in enumerate(_checked(futures)):
        places.setdefault(future, []).append(place)
    arrivals = Arrivals(asyncio.get_running_loop())
    for future in dict.fromkeys(futures):
        if future.done():
            arrivals.tell(future)
        else:
            future.watch(arrivals)
    left = len(futures)
    try:
        while left:
            futures[0].note()  # Nothing will arrive any more if the attempt is over.
            arrived = await arrivals.next()
            for place in sorted(place for future in arrived for place in places[future]):
                left -= 1
                yield futures[place]
    finally:
        arrivals.is_subscribed = False


def _checked(futures: Sequence[Any]) -> Sequence[DurableFuture[Any]]:
    for future in futures:
        if not isinstance(future, DurableFuture):
            raise ContextMisuseError(
                f"Durable futures are waited for here, and this is a {type(future).__name__}: "
                "write asyncio.gather or asyncio.wait for tasks and coroutines"
            )
    return futures
