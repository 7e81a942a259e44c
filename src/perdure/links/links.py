"""The links of one process to the leaders of all other partitions."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from perdure.core.model.shares import Share
from perdure.engine.errors import RefusalError
from perdure.links.codec import LINK_VERSION, Greeting
from perdure.links.conversation import Answerer, Asked, Conversation, OnAnswer
from perdure.links.questions import AnyQuestion, Question


class Links:
    """Asks the leaders of other partitions, and answers them. Lives on one event loop."""

    def __init__(
        self,
        share: Share,
        sockets: Mapping[int, socket.socket],
        on_lost: Callable[[int], None],
    ) -> None:
        """Take the ends of the links; nothing is read before :meth:`start`.

        Args:
            share: says which partition this is.
            sockets: one connected stream socket for each other partition, by its number.
            on_lost: is told which link ended without having been closed here: that process is gone.
        """
        self.share = share
        self._sockets = dict(sockets)
        self._loop = asyncio.get_running_loop()
        self._answerers: dict[type[Question], Answerer] = {}
        #: Questions that came before there was anybody to answer them.
        self._early: dict[type[Question], list[tuple[Conversation, int, AnyQuestion]]] = {}
        greeting = Greeting(LINK_VERSION, share.index, share.count)
        self._conversations = {
            partition: Conversation(greeting, partition, self._answer, on_lost)
            for partition in sockets
        }

    @property
    def partitions(self) -> list[int]:
        """The numbers of all other partitions."""
        return list(self._conversations)

    def answer(self, kind: type[Question], answerer: Answerer) -> None:
        """Answer questions of a kind from now on, and those of it that came before.

        Args:
            kind: the class of the questions.
            answerer: is given a question and what to call with the answer, or with a RefusalError;
                raises one, if it likes. What it returns is called if the asker leaves.
        """
        self._answerers[kind] = answerer
        for conversation, number, question in self._early.pop(kind, ()):
            conversation.begin(answerer, number, question)

    async def start(self) -> None:
        """Begin to send and to read."""
        for partition, conversation in self._conversations.items():
            sock = self._sockets[partition]
            await self._loop.create_unix_connection(conversation.protocol, sock=sock)

    def ask(self, partition: int, question: AnyQuestion, on_answer: OnAnswer) -> Asked:
        """Ask the leader of a partition.

        Args:
            partition: its number.
            question: what is asked.
            on_answer: called in another turn of the loop, once unless the question is left: with
                the answer or a RefusalError, which is a LinkLostError if that process has ended.

        Raises:
            OverloadedError: too much waits for the link already; nothing was sent.
            Exception: the question cannot be sent.
        """
        return self._conversations[partition].ask(question, on_answer)

    async def asked(self, partition: int, question: AnyQuestion) -> Any:
        """Ask the leader of a partition, and wait for the answer.

        Raises:
            RefusalError: as it is told by :meth:`ask`, or raised there.
        """
        told: asyncio.Future[Any] = self._loop.create_future()
        asked = self.ask(partition, question, partial(_fulfil, told))
        try:
            return await told
        finally:
            asked.leave()

    def waiting_bytes(self, partition: int) -> int:
        """Give what was sent to a partition and not taken by the socket yet."""
        return self._conversations[partition].link.waiting_bytes

    async def close(self) -> None:
        """End all links, in bounded time; who waits for an answer is told that there is none."""
        for conversation in self._conversations.values():
            await conversation.close()
        for sock in self._sockets.values():
            sock.close()  # unless that was done: it was never begun with

    def _answer(self, conversation: Conversation, number: int, question: AnyQuestion) -> None:
        kind = type(question)
        answerer = self._answerers.get(kind)
        if answerer is None:
            self._early.setdefault(kind, []).append((conversation, number, question))
        else:
            conversation.begin(answerer, number, question)


def _fulfil(told: asyncio.Future[Any], answer: Any) -> None:
    """Complete what somebody awaits, unless they gave up."""
    if told.done():
        return
    if isinstance(answer, RefusalError):
        told.set_exception(answer)
    else:
        told.set_result(answer)
