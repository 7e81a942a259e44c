"""Applications under test: served by a harness, called, replayed, and gone afterwards."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

import perdure
from perdure.harness import RestateTestHarness, TestConfiguration
from perdure.types import HarnessEnvironment

DEADLINE_S = 30


def play(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, DEADLINE_S))


@pytest.fixture
def left_behind() -> Callable[[], list[threading.Thread]]:
    """Gives the threads that the test has started and that do not end by themselves."""
    before = threading.enumerate()

    def threads() -> list[threading.Thread]:
        others = [each for each in threading.enumerate() if each not in before]
        for thread in others:
            thread.join(DEADLINE_S / len(others))
        return [each for each in others if each.is_alive()]

    return threads


class Witness:
    """An application whose handlers note each attempt."""

    def __init__(self, **options: Any) -> None:
        self.attempts = 0
        self.effects = 0
        self.service = perdure.Service("Witness", **options)
        self.waits = self.service.handler("waits")(self._waits)
        self.stumbles = self.service.handler("stumbles")(self._stumbles)
        self.wavers = self.service.handler("wavers")(self._wavers)
        self.echoes = self.service.handler("echoes")(self._echoes)
        self.app = perdure.app([self.service])

    async def _waits(self, ctx: perdure.Context, name: str) -> str:
        self.attempts += 1
        number = await ctx.run_typed("count", self._effect)
        await ctx.sleep(timedelta(milliseconds=1))
        return f"{await ctx.service_call(self.echoes, arg=name)} {number}"

    async def _stumbles(self, _ctx: perdure.Context) -> str:
        self.attempts += 1
        if self.attempts < 3:
            raise ConnectionError("not yet")
        return f"after {self.attempts} attempts"

    async def _wavers(self, ctx: perdure.Context) -> None:
        self.attempts += 1
        await ctx.run_typed(f"step {self.attempts}", self._effect)

    async def _echoes(self, _ctx: perdure.Context, name: str) -> str:
        return name

    def _effect(self) -> int:
        self.effects += 1
        return self.effects


def test_a_test_that_is_a_function():
    with perdure.test_harness(Witness().app) as harness:
        client = harness.ingress_client()
        assert client.post("/Witness/waits", json="Ada").json() == "Ada 1"
        assert harness.admin_client().get("/services/Witness").json()["name"] == "Witness"
        assert str(client.base_url).startswith(harness.ingress_url)


def test_a_test_that_is_a_coroutine():
    async def scenario():
        witness = Witness()
        async with perdure.create_test_harness(witness.app) as env:
            assert isinstance(env, HarnessEnvironment)
            assert await env.client.service_call(witness.waits, "Ada") == "Ada 1"
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"{env.admin_api_url}/health")).status_code == 200
                path = f"{env.ingress_url}/restate/health"
                assert (await http.get(path)).status_code == 200
        assert witness.attempts == 1

    play(scenario())


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_a_proxy_of_the_environment_is_not_for_this_machine(monkeypatch, proxy: str):
    async def scenario():
        witness = Witness()
        async with perdure.create_test_harness(witness.app) as env:
            assert await env.client.service_call(witness.waits, "Ada") == "Ada 1"

    for name in ("ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)
    with perdure.test_harness(Witness().app) as harness:
        assert harness.ingress_client().post("/Witness/waits", json="Ada").json() == "Ada 1"
    play(scenario())


def test_a_coroutine_may_block():
    async def scenario():
        async with perdure.create_test_harness(Witness().app) as env:
            answer = httpx.post(f"{env.ingress_url}/Witness/waits", json="Ada")  # noqa: ASYNC210
            assert answer.json() == "Ada 1"

    play(scenario())


def test_wherever_a_handler_waits_it_begins_again():
    witness = Witness()
    with perdure.test_harness(witness.app, always_replay=True) as harness:
        assert harness.ingress_client().post("/Witness/waits", json="Ada").json() == "Ada 1"
    assert (witness.attempts, witness.effects) == (4, 1)  # a step, a sleep and a call


def test_handlers_of_more_patience_begin_again_as_well():
    witness = Witness(inactivity_timeout=timedelta(hours=1))
    with perdure.test_harness(witness.app, always_replay=True) as harness:
        assert harness.ingress_client().post("/Witness/waits", json="Ada").is_success
    assert witness.attempts == 4


def test_a_replay_finds_what_is_not_repeatable():
    app = Witness().app
    with perdure.test_harness(app) as harness:
        assert harness.ingress_client().post("/Witness/wavers").is_success
    with perdure.test_harness(app, always_replay=True, disable_retries=True) as harness:
        answer = harness.ingress_client().post("/Witness/wavers")
    assert answer.status_code == 570
    assert "was 'step 2' and now is 'step 3'" in answer.json()["message"]


def test_failures_are_retried_unless_they_shall_not_be():
    policy = perdure.InvocationRetryPolicy(initial_interval=timedelta(milliseconds=1))
    witness = Witness(invocation_retry_policy=policy)
    with perdure.test_harness(witness.app) as harness:
        assert harness.ingress_client().post("/Witness/stumbles").json() == "after 3 attempts"
    witness.attempts = 0
    with perdure.test_harness(witness.app, disable_retries=True) as harness:
        answer = harness.ingress_client().post("/Witness/stumbles")
    assert (answer.status_code, witness.attempts) == (500, 1)
    assert "not yet" in answer.json()["message"]


def test_state_and_promises_live_as_long_as_the_harness():
    counter = perdure.VirtualObject("Counter")

    @counter.handler()
    async def add(ctx: perdure.ObjectContext, amount: int) -> int:
        total = (await ctx.get("total", type_hint=int) or 0) + amount
        ctx.set("total", total)
        return total

    app = perdure.app([counter])
    for _ in range(2):
        with perdure.test_harness(app, always_replay=True) as harness:
            client = harness.ingress_client()
            assert [client.post("/Counter/a/add", json=2).json() for _ in range(2)] == [2, 4]


def test_a_codec_is_given_to_the_client_as_well():
    class Reversed(perdure.JournalValueCodec):
        def encode(self, buf: bytes) -> bytes:
            return buf[::-1]

        async def decode(self, buf: bytes) -> bytes:
            return buf[::-1]

    async def scenario():
        witness = Witness()
        app = perdure.app([witness.service], journal_value_codec=Reversed())
        async with perdure.create_test_harness(app, journal_value_codec=Reversed()) as env:
            assert await env.client.service_call(witness.echoes, "Ada") == "Ada"

    play(scenario())


def test_the_lifespan_of_the_application_is_entered_and_left():
    seen = []

    @asynccontextmanager
    async def lifespan():
        seen.append("entered")
        yield
        seen.append("left")

    with perdure.test_harness(perdure.app([Witness().service], lifespan=lifespan)):
        assert seen == ["entered"]
    assert seen == ["entered", "left"]


def test_the_log_is_printed_if_asked_for(capsys):
    witness = Witness()
    level = logging.getLogger("perdure").level
    with perdure.test_harness(witness.app, follow_logs=True, disable_retries=True) as harness:
        harness.ingress_client().post("/Witness/stumbles")
    assert "attempt 1 failed" in capsys.readouterr().err
    assert logging.getLogger("perdure").level == level


def test_fixtures_enter_and_leave_in_different_tasks():
    async def scenario():
        witness = Witness()
        harness = perdure.create_test_harness(witness.app)
        env = await asyncio.create_task(harness.__aenter__())
        assert await env.client.service_call(witness.echoes, "Ada") == "Ada"
        await asyncio.create_task(harness.__aexit__(None, None, None))

    play(scenario())


def test_nothing_is_left_of_a_test_that_fails(left_behind):
    with pytest.raises(ZeroDivisionError), perdure.test_harness(Witness().app) as harness:
        1 / int(httpx.get(f"{harness.ingress_url}/no/such").status_code == 200)
    assert not left_behind()


def test_nothing_is_left_of_a_test_that_is_cancelled(left_behind):
    async def scenario():
        async def test():
            async with perdure.create_test_harness(Witness().app):
                entered.set()
                await asyncio.sleep(DEADLINE_S)

        entered = asyncio.Event()
        task = asyncio.create_task(test())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(scenario())
    assert not left_behind()


def test_nothing_is_left_of_a_test_that_is_cancelled_while_the_server_starts(left_behind):
    async def scenario():
        async def test():
            async with perdure.create_test_harness(Witness().app):
                await asyncio.sleep(DEADLINE_S)

        threads = threading.active_count()
        task = asyncio.create_task(test())
        async with asyncio.timeout(DEADLINE_S):
            while threading.active_count() < threads + 2:  # noqa: ASYNC110 - its own, and the starting one
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        held.append(cancelled.value)

    # What holds the frames keeps the garbage collector from ending the server.
    held: list[BaseException] = []
    play(scenario())
    assert not left_behind()
    assert held


def test_a_handler_that_does_not_end_does_not_keep_the_harness():
    stuck, begun = perdure.Service("Stuck"), threading.Event()

    @stuck.handler()
    async def wait(ctx: perdure.Context) -> None:
        begun.set()
        await ctx.run_typed("forever", asyncio.sleep, delay=3600)

    with perdure.test_harness(perdure.app([stuck])) as harness:
        assert harness.ingress_client().post("/Stuck/wait/send").is_success
        assert begun.wait(DEADLINE_S)
        since = time.monotonic()
    assert time.monotonic() - since < 5


def test_a_harness_starts_and_stops_by_hand():
    harness = RestateTestHarness(Witness().app, TestConfiguration(always_replay=True))
    with pytest.raises(RuntimeError, match="does not run: use it in a `with` block"):
        harness.ingress_client()
    for _ in range(2):
        harness.start()
        client = harness.ingress_client()
        assert client.post("/Witness/echoes", json="Ada").json() == "Ada"
        with pytest.raises(RuntimeError, match="started already; stop it first"):
            harness.start()
        harness.stop()
        harness.stop()
        assert client.is_closed


@pytest.mark.parametrize(
    "image",
    [
        "docker.io/restatedev/restate:latest",
        "restatedev/restate",
        "localhost:5000/restatedev/restate",
        "ghcr.io/restatedev/restate:latest",
    ],
)
def test_any_version_will_do(image: str):
    assert perdure.test_harness(Witness().app, restate_image=image).config.restate_image == image


@pytest.mark.parametrize(
    "image", ["restatedev/restate:1.6", "localhost:5000/restate:1.6", "restate:latest@sha256:12"]
)
def test_a_certain_version_cannot_be_had(image: str):
    with pytest.raises(ValueError, match=r"Perdure's own server.*leave restate_image out"):
        perdure.test_harness(Witness().app, restate_image=image)


@pytest.mark.parametrize("wrong", [None, perdure.Service("Greeter"), [], perdure.app])
def test_what_is_no_application(wrong: Any):
    with pytest.raises(TypeError, match=r"is no application: give perdure.app\(\[...services"):
        perdure.test_harness(wrong)


def test_an_application_that_cannot_be_served_says_so(left_behind):
    app = perdure.app([perdure.Workflow("Signup")])
    with pytest.raises(perdure.DefinitionError, match="'Signup' has no main handler"):
        perdure.test_harness(app).start()
    assert not left_behind()
