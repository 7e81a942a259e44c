"""The questions that are open between two processes, in both directions.

Every question has a number of its asker's; its answer comes whenever it is found, in any order. An
asker that leaves is told nothing more, and has the question taken back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec import Struct

from perdure.engine.errors import OverloadedError, RefusalError, UnavailableError
from perdure.links.codec import (
    LINK_VERSION,
    Answering,
    AnyFrame,
    Asking,
    Greeting,
    Leaving,
    Refusing,
    answering,
    read_answer,
    refusal,
    refusing,
)
from perdure.links.errors import BrokenAnswerError, LinkError, LinkLostError
from perdure.links.link import Link
from perdure.links.questions import AnyQuestion, Question

#: What may wait for a link before questions are refused.
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
#: And what may wait before answers are withheld: thousands may wait for one long result.
ANSWERS_BYTES_MAX: Final = 256 * 1024 * 1024
_WITHHELD: Final = (
    "too much is on its way from another partition; if the invocation was accepted it goes on: "
    "attach to it by its id"
)

#: Takes the answer, or why there is none.
OnAnswer = Callable[[Any], None]
#: Gets a question, and where its answer goes; gives what takes the question back, if anything does.
Answerer = Callable[[Any, OnAnswer], Callable[[], None] | None]

logger = logging.getLogger("perdure.links")


class Asked(Struct, eq=False):
    """A question on its way; made by :meth:`Conversation.ask`."""

    _conversation: Conversation
    number: int
    kind: type[Question]
    on_answer: OnAnswer

    def leave(self) -> None:
        """Want no answer any more, and hear nothing more."""
        self._conversation.leave(self)


class Conversation:
    """All that is said over one link.

    Args:
        greeting: says who this is, and how many partitions there are.
        partition: who is at the other end.
        answer: begins to answer a question that has come, under its number.
        lost: is told when the link ended by itself.
    """

    def __init__(
        self,
        greeting: Greeting,
        partition: int,
        answer: Callable[[Conversation, int, AnyQuestion], None],
        lost: Callable[[int], None],
    ) -> None:
        self._greeting = greeting
        self._partition = partition
        self._answer = answer
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self.link = Link(partition, self._take, self._ended)
        self._drawn = 0
        #: What was asked here, by number.
        self._asked: dict[int, Asked] = {}
        #: What was asked there, by number, with what takes it back.
        self._answering: dict[int, Callable[[], None] | None] = {}
        self.link.send(greeting)

    def protocol(self) -> Link:
        """Give the link, for a transport to be put below."""
        return self.link

    # -- Asking

    def ask(self, question: AnyQuestion, on_answer: OnAnswer) -> Asked:
        """Ask.

        Raises:
            OverloadedError: too much waits for the link already.
            Exception: the question cannot be sent.
        """
        link, kind = self.link, type(question)
        if kind.refusable and link.waiting_bytes > WAITING_BYTES_MAX:
            raise OverloadedError("too much is on its way to another partition; try again later")
        number = self._drawn = self._drawn + 1
        asked = Asked(self, number, kind, on_answer)
        link.send(Asking(number, question))
        self._asked[number] = asked
        if link.over:
            self._loop.call_soon(self._tell, number, LinkLostError())
        return asked

    def leave(self, asked: Asked) -> None:
        """Forget a question, here and there, unless it was answered."""
        if self._asked.pop(asked.number, None) is not None:
            self.link.send(Leaving(asked.number))

    def _tell(self, number: int, answer: Any) -> None:
        asked = self._asked.pop(number, None)
        if asked is None:
            return  # it left meanwhile
        try:
            asked.on_answer(answer)
        except Exception:  # a defect of one asker must not cost others their answer
            logger.exception("who asked partition %d failed to take the answer", self._partition)

    async def close(self) -> None:
        """End the link, in bounded time, and leave nobody waiting."""
        await self.link.close()
        self._give_up()

    # -- Answering

    def begin(self, answerer: Answerer, number: int, question: AnyQuestion) -> None:
        """Have a question answered, unless the asker left meanwhile."""
        if number not in self._answering:
            return
        try:
            take_back = answerer(question, partial(self._answer_to, number, question))
        except RefusalError as error:
            self._reply(number, error)
        except Exception:  # whatever it is, the asker must not wait for ever
            logger.exception("a question of partition %d cannot be answered", self._partition)
            self._reply(number, BrokenAnswerError())
        else:
            if number in self._answering:
                self._answering[number] = take_back

    def _answer_to(self, number: int, question: AnyQuestion, answer: Any) -> None:
        """Give an answer, unless it is one of those that would fill the memory."""
        if question.refusable and self.link.waiting_bytes > ANSWERS_BYTES_MAX:
            answer = UnavailableError(_WITHHELD)
        self._reply(number, answer)

    def _reply(self, number: int, answer: Any) -> None:
        if number not in self._answering:
            return  # the asker left
        del self._answering[number]
        if isinstance(answer, RefusalError):
            self.link.send(refusing(number, answer))
            return
        try:
            self.link.send(answering(number, answer))
        except Exception:  # it has no wire form; the asker must not wait for ever
            logger.exception("an answer to partition %d cannot be sent", self._partition)
            self.link.send(refusing(number, BrokenAnswerError()))

    # -- For the link

    def _take(self, frame: AnyFrame) -> None:
        match frame:
            case Answering(number, answer):
                asked = self._asked.get(number)
                if asked is not None:
                    self._tell(number, read_answer(asked.kind, answer))
            case Asking(number, question):
                self._answering[number] = None
                self._answer(self, number, question)
            case Refusing(number):
                self._tell(number, refusal(frame))
            case Leaving(number):
                take_back = self._answering.pop(number, None)
                if take_back is not None:
                    take_back()
            case Greeting():
                self._check(frame)

    def _check(self, greeting: Greeting) -> None:
        own = self._greeting
        if greeting != Greeting(LINK_VERSION, self._partition, own.count):
            raise LinkError(
                f"{greeting} came over it: the processes do not run the same version, or are not "
                "of the same server; start the server again"
            )

    def _ended(self, closed: bool) -> None:
        self._give_up()
        if not closed:
            self._lost(self._partition)

    def _give_up(self) -> None:
        taken_back, self._answering = self._answering, {}
        for take_back in taken_back.values():
            if take_back is not None:
                take_back()
        for number in list(self._asked):
            self._tell(number, LinkLostError())
