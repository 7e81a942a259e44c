"""Between clients and the processes that serve now: messages take time, get lost, and break off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import Any, TypeVar

from perdure.engine.errors import RefusalError
from perdure.engine.reception import Reception
from simworld.hardware import Hardware
from simworld.loop import SimLoop
from simworld.node import answer_of
from simworld.processes import Processes

T = TypeVar("T")


class LostError(Exception):
    """The connection broke; nobody knows whether the request arrived."""


class Network:
    """How clients ask."""

    def __init__(self, hardware: Hardware, loop: SimLoop, processes: Sequence[Processes]) -> None:
        self._loop = loop
        self._processes = processes
        self._random = hardware.random("network")
        self._numbers = count()
        #: How often somebody who insists got no answer. With several partitions what was asked may
        #: be under way between two of them even so, and take effect later.
        self.losses = 0
        self._door = hardware.plan.sizes.door
        #: How often messages are lost, by what is lost.
        self.rates = dict(hardware.plan.rates)

    async def ask(
        self, question: Callable[[Reception], Coroutine[Any, Any, T]], *, leader: bool = False
    ) -> T:
        """Ask once.

        Args:
            question: what to ask.
            leader: whether only who leads now can know the answer, since nothing is recorded.

        Raises:
            LostError: no answer came.
            RefusalError: the server takes no requests now.
        """
        reply: asyncio.Future[T] = self._loop.create_future()
        if self._happens("request lost"):
            self._loop.call_later(self._random.uniform(0.01, 0.2), lose, reply)
        else:
            self._loop.call_later(self._latency(), self._arrive, question, reply, leader)
        return await reply

    async def insist(
        self, question: Callable[[Reception], Coroutine[Any, Any, T]], *, leader: bool = False
    ) -> T:
        """Ask again until there is an answer."""
        while True:
            try:
                return await self.ask(question, leader=leader)
            except (LostError, RefusalError):
                self.losses += 1
                await asyncio.sleep(self._random.uniform(0.01, 0.3))

    def takes_the_door(self) -> bool:
        """Tell whether a request shall come as HTTP."""
        return self._door and self._random.random() < 0.5

    def _arrive(
        self, question: Callable[[Reception], Any], reply: asyncio.Future[Any], leader: bool
    ) -> None:
        processes = self._someone()
        node = processes.node if leader else processes.someone()
        if node is None or not node.serving:
            lose(reply)
            return
        number = next(self._numbers)
        node.waiting[number] = lambda: self._loop.call_later(self._latency(), lose, reply)
        task: asyncio.Task[Any] = node.loop.create_task(question(node.requests))

        def answer(done: asyncio.Task[Any]) -> None:
            if node.waiting.pop(number, None) is None or not node.alive:
                return
            result, error = answer_of(done)
            if self._happens("answer lost"):
                error = LostError()
            self._loop.call_later(self._latency(), deliver, reply, result, error)

        task.add_done_callback(answer)
        if self._happens("client gone"):
            node.loop.call_later(self._random.expovariate(20), task.cancel)

    def _someone(self) -> Processes:
        """Give the processes of the partition that a client comes to."""
        return self._random.choice(self._processes) if self.several else self._processes[0]

    @property
    def several(self) -> bool:
        """Whether there are several partitions, to any of which a client may come."""
        return len(self._processes) > 1

    def _happens(self, what: str) -> bool:
        rate = self.rates.get(what)
        return rate is not None and self._random.random() < rate

    def _latency(self) -> float:
        return self._random.uniform(0.0002, 0.003)


def lose(reply: asyncio.Future[Any]) -> None:
    """Break the connection."""
    if not reply.done():
        reply.set_exception(LostError())


def deliver(reply: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    """Hand an answer over."""
    if reply.done():
        return
    if error is None:
        reply.set_result(result)
    elif isinstance(error, asyncio.CancelledError):
        reply.set_exception(LostError())
    else:
        reply.set_exception(error)
