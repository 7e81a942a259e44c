from __future__ import annotations

import asyncio
import logging
import time

import pytest
from linked import Ends, linked, number, until, wired

from perdure.core.model.shares import share_of
from perdure.core.model.targets import HandlerKind, Target
from perdure.engine.errors import OverloadedError, UnavailableError
from perdure.engine.reception import Finding
from perdure.engine.waiters import Answer
from perdure.links import conversation
from perdure.links.codec import (
    LINK_VERSION,
    Asking,
    Greeting,
    Leaving,
    Refusing,
    answering,
)
from perdure.links.conversation import WAITING_BYTES_MAX
from perdure.links.errors import BrokenAnswerError, LinkLostError
from perdure.links.questions import (
    Edition,
    FollowRegistry,
    ReadResult,
    ReadTaken,
    TakeRegistry,
)
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Value

MIB = 1024 * 1024
GREETING = Greeting(LINK_VERSION, 1, 2)


def double(question: ReadTaken, on_answer) -> None:
    on_answer(question.source * 2)


def test_both_ask_and_both_are_answered(run):
    async def scenario():
        async with linked() as ends:
            ends.there.answer(ReadTaken, double)
            ends.here.answer(ReadTaken, lambda question, on_answer: on_answer(-question.source))
            assert await ends.here.asked(1, number(21)) == 42
            assert await ends.there.asked(0, number(21)) == -21

    run(scenario)


def test_many_questions_of_one_turn_are_answered_each(run):
    async def scenario():
        async with linked() as ends:
            ends.there.answer(ReadTaken, double)
            asked = [ends.here.asked(1, number(each)) for each in range(10_000)]
            assert await asyncio.gather(*asked) == [2 * each for each in range(10_000)]

    run(scenario)


def test_answers_come_in_any_order(run):
    async def scenario():
        async with linked() as ends:
            waiting = []
            ends.there.answer(ReadTaken, lambda question, tell: waiting.append((question, tell)))
            told: list[tuple[str, int]] = []
            for name in "abc":
                ends.here.ask(
                    1, number(ord(name)), lambda answer, name=name: told.append((name, answer))
                )
            await until(lambda: len(waiting) == 3)
            for question, tell in reversed(waiting):
                tell(question.source)
            await until(lambda: len(told) == 3)
            assert told == [("c", 99), ("b", 98), ("a", 97)]

    run(scenario)


def test_an_answer_is_never_told_within_the_question(run):
    async def scenario():
        async with linked() as ends:
            told: list[object] = []
            ends.here.ask(1, number(1), told.append)
            assert told == []
            await ends.there.close()
            await until(lambda: ends.lost)
            ends.here.ask(1, number(2), told.append)
            assert len(told) == 1
            await until(lambda: len(told) == 2)
            assert all(isinstance(error, LinkLostError) for error in told)

    run(scenario)


def test_a_question_waits_for_who_answers_it(run):
    async def scenario():
        async with linked() as ends:
            early = [asyncio.ensure_future(ends.here.asked(1, number(each))) for each in (1, 2)]
            ends.there.answer(
                FollowRegistry, lambda _question, tell: tell(Edition(0, b"", is_new=True))
            )
            assert await ends.here.asked(1, FollowRegistry(0)) == Edition(0, b"", is_new=True)
            ends.there.answer(ReadTaken, double)
            assert await asyncio.gather(*early) == [2, 4]

    run(scenario)


def test_who_leaves_before_the_answer_takes_the_question_back(run):
    async def scenario():
        async with linked() as ends:
            waiting, taken_back, told = [], [], []

            def answerer(question, tell):
                waiting.append(tell)
                return lambda: taken_back.append(question.source)

            ends.there.answer(ReadTaken, answerer)
            asked = ends.here.ask(1, number(5), told.append)
            await until(lambda: waiting)
            asked.leave()
            asked.leave()
            await until(lambda: taken_back)
            waiting[0](10)  # found after all
            ends.there.answer(ReadTaken, double)
            assert await ends.here.asked(1, number(6)) == 12
            assert taken_back == [5]
            assert told == []

    run(scenario)


def test_who_leaves_in_the_same_turn_may_have_asked_for_nothing(run):
    async def scenario():
        async with linked() as ends:
            told: list[object] = []
            ends.here.ask(1, number(5), told.append).leave()
            ends.there.answer(ReadTaken, double)
            assert await ends.here.asked(1, number(6)) == 12
            assert told == []

    run(scenario)


def test_leaving_after_the_answer_changes_nothing(run):
    async def scenario():
        async with linked() as ends:
            taken_back, told = [], []

            def answerer(question, tell):
                tell(question.source)
                return lambda: taken_back.append(question)

            ends.there.answer(ReadTaken, answerer)
            asked = ends.here.ask(1, number(5), told.append)
            await until(lambda: told)
            asked.leave()
            assert await ends.here.asked(1, number(6)) == 6
            assert (told, taken_back) == ([5], [])

    run(scenario)


def test_who_is_cancelled_leaves(run):
    async def scenario():
        async with linked() as ends:
            taken_back = []
            ends.there.answer(ReadTaken, lambda _question, _tell: lambda: taken_back.append(1))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ends.here.asked(1, number(1)), 0.02)
            await until(lambda: taken_back)

    run(scenario)


@pytest.mark.parametrize("raised", [True, False])
def test_a_refusal_reaches_who_asked(run, raised):
    async def scenario():
        async with linked() as ends:

            def refuse(_question, tell):
                error = OverloadedError("too much")
                error.retry_after_s = 9
                if raised:
                    raise error
                tell(error)

            ends.there.answer(ReadTaken, refuse)
            with pytest.raises(OverloadedError, match="too much") as caught:
                await ends.here.asked(1, number(1))
            assert caught.value.retry_after_s == 9

    run(scenario)


def test_a_defect_of_who_answers_reaches_who_asked_and_nobody_else(run, caplog):
    async def scenario():
        async with linked() as ends:

            def answerer(question, tell):
                if question.source == 1:
                    raise ValueError("a defect")
                tell(object() if question.source == 2 else 0)

            ends.there.answer(ReadTaken, answerer)
            for broken in (1, 2):
                with pytest.raises(BrokenAnswerError):
                    await ends.here.asked(1, number(broken))
            assert await ends.here.asked(1, number(3)) == 0

    run(scenario)
    assert "a defect" in caplog.text


def test_a_defect_of_who_asked_costs_others_nothing(run, caplog):
    async def scenario():
        async with linked() as ends:
            ends.there.answer(ReadTaken, double)

            def trip(_answer):
                raise ValueError("a defect")

            ends.here.ask(1, number(1), trip)
            assert await ends.here.asked(1, number(2)) == 4

    run(scenario)
    assert "a defect" in caplog.text


def test_a_question_without_a_wire_form_is_refused_before_it_is_asked(run):
    async def scenario():
        async with linked() as ends:
            ends.there.answer(ReadTaken, double)
            with pytest.raises(TypeError):
                ends.here.ask(1, ReadTaken(object()), print)
            assert await ends.here.asked(1, number(2)) == 4

    run(scenario)


def test_at_the_end_of_a_link_everyone_is_told(run):
    async def scenario():
        async with linked() as ends:
            taken_back = []
            ends.here.answer(ReadTaken, lambda _question, _tell: lambda: taken_back.append(1))
            waiting = [asyncio.ensure_future(ends.here.asked(1, number(each))) for each in range(3)]
            theirs = asyncio.ensure_future(ends.there.asked(0, number(1)))
            ends.there.answer(ReadTaken, double)
            await asyncio.sleep(0.02)
            ends.there.answer(ReadTaken, lambda _question, _tell: None)
            waiting += [asyncio.ensure_future(ends.here.asked(1, number(9)))]
            await asyncio.sleep(0.02)
            await ends.there.close()
            with pytest.raises(LinkLostError):
                await theirs
            found = await asyncio.gather(*waiting, return_exceptions=True)
            assert found[:3] == [0, 2, 4]
            assert isinstance(found[3], LinkLostError)
            assert isinstance(found[3], UnavailableError)
            assert ends.lost == ["here"]
            assert taken_back == [1]

    run(scenario)


def test_what_was_said_before_the_close_arrives(run):
    async def scenario():
        async with linked() as ends:
            came: list[int] = []
            ends.there.answer(ReadTaken, lambda question, _tell: came.append(question.source))
            for each in range(1000):
                ends.here.ask(1, number(each), lambda _answer: None)
            await ends.here.close()
            await until(lambda: ends.lost == ["there"])
            assert came == list(range(1000))

    run(scenario)


def test_links_that_never_started_can_be_closed(run):
    async def scenario():
        ends, told = Ends(), []
        ends.here.ask(1, number(1), told.append)
        await ends.close()
        assert isinstance(told[0], LinkLostError)
        assert ends.lost == []
        assert all(sock.fileno() == -1 for sock in ends.sockets)

    run(scenario)


def test_too_much_that_waits_is_refused_and_what_must_arrive_is_not(run, monkeypatch):
    class Long(ReadTaken, frozen=True, tag=0):
        refusable = True

    async def scenario():
        async with wired() as wire:
            big = TakeRegistry(Edition(1, bytes(24 * MIB), is_new=False))
            for _ in range(3):
                wire.links.ask(1, big, lambda _answer: None)
            assert wire.links.waiting_bytes(1) > WAITING_BYTES_MAX
            with pytest.raises(OverloadedError):
                wire.links.ask(1, Long(1), print)
            wire.links.ask(1, number(1), lambda _answer: None)
            frames = [await wire.receive() for _ in range(5)]
            assert [frame.number for frame in frames[1:]] == [1, 2, 3, 4]
            await until(lambda: wire.links.waiting_bytes(1) == 0)
            wire.links.ask(1, Long(2), lambda _answer: None)
            assert (await wire.receive()).question == ReadTaken(2)

    run(scenario)


def test_answers_that_would_fill_the_memory_are_withheld(run, monkeypatch):
    monkeypatch.setattr(conversation, "ANSWERS_BYTES_MAX", 8 * MIB)
    target = Target("Greeter", "greet", HandlerKind.SERVICE, "")
    long = Finding(target, Answer(Value(bytes(MIB))))

    async def scenario():
        async with linked() as ends:
            tells = []
            ends.there.answer(ReadTaken, double)
            ends.there.answer(ReadResult, lambda _question, tell: tells.append(tell))
            question = ReadResult(InvocationId(bytes(24)))
            asked = [asyncio.ensure_future(ends.here.asked(1, question)) for _ in range(40)]
            await until(lambda: len(tells) == 40)
            for tell in tells:
                tell(long)
            assert await ends.here.asked(1, number(21)) == 42
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert answers[:8] == [long] * 8
            withheld = [each for each in answers if isinstance(each, UnavailableError)]
            assert 20 < len(withheld) <= 32
            again = asyncio.ensure_future(ends.here.asked(1, question))
            await until(lambda: len(tells) == 41)
            tells[-1](long)
            assert await again == long

    run(scenario)


def test_large_bodies_do_not_hold_up_small_questions_for_long(run):
    async def scenario():
        async with linked() as ends:
            ends.there.answer(ReadTaken, double)
            ends.there.answer(TakeRegistry, lambda _question, tell: tell(None))
            big = TakeRegistry(Edition(1, bytes(30 * MIB), is_new=False))
            bodies = [asyncio.ensure_future(ends.here.asked(1, big)) for _ in range(3)]
            slowest = 0.0
            while not all(body.done() for body in bodies):
                begin = time.perf_counter()
                assert await ends.here.asked(1, number(4)) == 8
                slowest = max(slowest, time.perf_counter() - begin)
            # All three are in front of the first question; alone each takes some 30 ms.
            assert slowest < 2

    run(scenario)


def test_much_that_comes_is_handled_in_slices(run):
    async def scenario():
        async with linked() as ends:

            def slow(question, tell):
                until_s = time.perf_counter() + 0.001
                while time.perf_counter() < until_s:
                    pass
                tell(question.source)

            ends.there.answer(ReadTaken, slow)
            asked = asyncio.gather(*[ends.here.asked(1, number(each)) for each in range(200)])
            gaps, before = [], time.perf_counter()
            while not asked.done():
                await asyncio.sleep(0)
                gaps.append(time.perf_counter() - before)
                before = time.perf_counter()
            assert await asked == list(range(200))
            assert len(gaps) > 30

    run(scenario)


def test_the_greeting_says_who_it_is(run):
    async def scenario():
        async with wired() as wire:
            assert await wire.receive() == Greeting(LINK_VERSION, 0, 2)
            wire.links.answer(ReadTaken, double)
            await wire.send(GREETING, Asking(7, number(4)))
            assert (await wire.receive()).number == 7
            assert wire.lost == []

    run(scenario)


@pytest.mark.parametrize(
    "wrong",
    [
        Greeting(LINK_VERSION + 1, 1, 2),
        Greeting(LINK_VERSION, 1, 3),
        Greeting(LINK_VERSION, 0, 2),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
    ],
    ids=repr,
)
def test_what_does_not_belong_there_ends_the_link(run, wrong, caplog):
    async def scenario():
        async with wired() as wire:
            told: list[object] = []
            wire.links.ask(1, number(1), told.append)
            await wire.send(wrong)
            await until(lambda: wire.lost == [1])
            assert isinstance(told[0], LinkLostError)

    run(scenario)
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    assert "partition 1" in caplog.text


def test_an_answer_that_cannot_be_read_ends_the_link(run, caplog):
    async def scenario():
        async with wired() as wire:
            wire.links.ask(1, number(1), lambda _answer: None)
            await wire.send(GREETING, answering(1, "one"))
            await until(lambda: wire.lost == [1])

    run(scenario)
    assert "ReadTaken" in caplog.text


def test_answers_to_nothing_are_dropped(run):
    async def scenario():
        async with wired() as wire:
            wire.links.answer(ReadTaken, double)
            await wire.send(GREETING, answering(5, 5), Refusing(6, 0, "", 1), Leaving(7))
            await wire.send(Asking(8, number(1)))
            frames = [await wire.receive(), await wire.receive()]
            assert frames[1].number == 8

    run(scenario)


def test_half_a_frame_at_the_end_is_a_lost_link(run):
    async def scenario():
        async with wired() as wire:
            await wire.send(GREETING, b"\x00\x00\x00\x09\x01")
            wire._sock.close()
            await until(lambda: wire.lost == [1])

    run(scenario)


def test_a_process_knows_its_links():
    async def scenario():
        ends = Ends()
        assert (ends.here.partitions, ends.there.partitions) == ([1], [0])
        assert ends.there.share == share_of(1, 2)
        await ends.close()

    asyncio.run(scenario())
