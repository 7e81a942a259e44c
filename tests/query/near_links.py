"""Links between partitions of one process: what is said takes its wire form, but no socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from perdure.engine.errors import RefusalError
from perdure.links.codec import read_answer, refusal, refusing
from perdure.links.questions import AnyQuestion

_questions = msgspec.msgpack.Decoder(AnyQuestion)


class NearLinks:
    """The part of ``Links`` that queries use; each partition's questions find their answerers."""

    def __init__(self, others: Sequence[NearLinks] = ()) -> None:
        #: Those of partition 1 and up.
        self._others = others
        self._answerers = {}
        #: How many questions of each kind have come here.
        self.heard = {}

    @property
    def partitions(self) -> list[int]:
        return list(range(1, 1 + len(self._others)))

    def answer(self, kind, answerer) -> None:
        self._answerers[kind] = answerer

    def ask(self, partition: int, question, on_answer) -> None:
        encoded = msgspec.msgpack.encode(question)
        other = self._others[partition - 1]
        loop = asyncio.get_running_loop()

        def answered(answer) -> None:
            if isinstance(answer, RefusalError):
                told = refusal(refusing(1, answer))
            else:
                told = read_answer(type(question), msgspec.Raw(msgspec.msgpack.encode(answer)))
            loop.call_soon(on_answer, told)

        loop.call_soon(other.take, encoded, answered)

    async def asked(self, partition: int, question):
        told = asyncio.get_running_loop().create_future()
        self.ask(partition, question, lambda answer: told.done() or told.set_result(answer))
        answer = await told
        if isinstance(answer, RefusalError):
            raise answer
        return answer

    def take(self, encoded: bytes, on_answer) -> None:
        question = _questions.decode(encoded)
        kind = type(question)
        self.heard[kind] = self.heard.get(kind, 0) + 1
        try:
            self._answerers[kind](question, on_answer)
        except RefusalError as error:
            on_answer(error)
