"""What handlers do wrong, and how they are told."""

import asyncio
import gc
from collections.abc import Awaitable
from contextlib import suppress

import pytest
from scripted_server import DAY, Server, greet, service, until, virtual_object, workflow

from perdure.protocol.messages import (
    ClearAllState,
    Error,
    ProposeRunCompletion,
    Run,
    SendSignal,
    Sleep,
)
from perdure.sdk.context import Context, ObjectContext, RunOptions, WorkflowContext
from perdure.sdk.errors import ContextMisuseError
from perdure.sdk.services import VirtualObject

# -- Code that changed under its journal


async def test_waiting_where_the_journal_goes_on_is_told():
    async def run(ctx: Context) -> None:
        await ctx.sleep(DAY)
        await ctx.run_typed("later", greet)

    error = Server(service(run), journal=[Sleep(1, 1), Run(2, "later")]).run().error
    assert error.code == 570
    assert "command 2 of the journal is Run 'later'" in error.message
    assert "waits" in error.message


async def test_doing_something_else_ends_the_attempt_for_good():
    async def run(ctx: Context) -> str:
        try:
            ctx.sleep(DAY)
        except Exception:  # noqa: BLE001 - too late to be caught
            return "caught"
        return "no"

    server = Server(service(run), journal=[Run(1, "charge")]).run()
    assert [each.code for each in server.said] == [570]


async def test_a_cancellation_that_is_not_passed_on_is_told():
    async def run(ctx: Context) -> None:
        await ctx.generic_call("X", "y", b"")

    server = Server(service(run)).run()
    server.signal(1)
    server.journal = [
        ClearAllState() if isinstance(each, SendSignal) else each for each in server.journal
    ]
    assert server.run().error.code == 570


# -- Contexts in the wrong place


async def test_the_context_ends_with_its_handler():
    kept: list[Context] = []

    async def run(ctx: Context) -> None:
        kept.append(ctx)

    Server(service(run)).run()
    with pytest.raises(ContextMisuseError, match="outside of its handler"):
        kept[0].sleep(DAY)


async def test_a_task_that_outlives_the_handler_is_told():
    errors: list[BaseException] = []

    async def run(ctx: Context) -> None:
        async def late() -> None:
            try:
                ctx.sleep(DAY)
            except ContextMisuseError as error:
                errors.append(error)

        kept.append(asyncio.create_task(late()))

    kept: list[object] = []
    assert Server(service(run)).run().ended
    assert "TaskGroup" in str(errors[0])


async def test_a_result_cannot_be_awaited_elsewhere():
    kept = []

    async def run(ctx: Context) -> None:
        kept.append(ctx.sleep(DAY))
        await kept[0]

    Server(service(run)).run()
    with pytest.raises(ContextMisuseError, match="outside of its handler"):
        await kept[0]


@pytest.mark.parametrize("how", [asyncio.wait, asyncio.gather, asyncio.shield])
async def test_a_result_cannot_be_waited_for_elsewhere_either(how):
    kept = []

    async def run(ctx: Context) -> None:
        kept.append(ctx.sleep(DAY))
        await kept[0]

    server = Server(service(run)).run()
    with pytest.raises(ContextMisuseError, match="outside of its handler"):
        await how([kept[0]] if how is asyncio.wait else kept[0])
    server.abandon()


async def test_a_handler_that_spins_does_not_stop_the_process():
    done = []

    async def run(_ctx: Context) -> str:
        while not done:  # noqa: ASYNC110 - the spinning is what is tested
            await asyncio.sleep(0)
        return "done"

    server = Server(service(run)).run()
    await asyncio.sleep(0)
    done.append(1)
    await until(lambda: server.ended)
    assert server.outcome == b'"done"'


async def sleep_anew(ctx: Context, _: object) -> None:
    """Begin something else each time."""
    await ctx.sleep(DAY)


async def sleep_plainly(_: Context, __: object) -> None:
    """Wait as without a context, and let others have their turn."""
    await asyncio.sleep(0)
    await asyncio.sleep(60)


async def run_a_step(ctx: Context, _: object) -> None:
    """Begin an action."""
    await ctx.run_typed("nothing", lambda: None)


async def wait_for_the_same(_: Context, pending: Awaitable[None]) -> None:
    """Await what was begun before."""
    await pending


async def wait_for_someone(ctx: Context, _: object) -> None:
    """Wait for the outside."""
    _, answer = ctx.awakeable()
    await answer


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "attempt", [sleep_anew, sleep_plainly, run_a_step, wait_for_the_same, wait_for_someone]
)
async def test_a_handler_that_catches_everything_does_not_stop_the_process(attempt, caplog):
    async def run(ctx: Context) -> str:
        pending = ctx.sleep(DAY)
        while True:
            try:
                await attempt(ctx, pending)
            except:  # noqa: E722, S112 - as in programs that shall never end
                continue
            return "done"

    server = Server(service(run)).run()
    server.attempt.abort()
    await until(lambda: "inv_1test goes on after its attempt has ended" in caplog.text)
    del server
    gc.collect()  # What is left of the handler is told once more, and may catch that as well.


async def test_an_error_of_the_sdk_cannot_be_kept():
    async def run(ctx: Context) -> str:
        try:
            await ctx.scope("s").service_call(greet, "")
        except BaseException:  # noqa: BLE001 - what no handler should write
            return "kept"
        return ""

    server = Server(service(run), version=6).run()
    assert [type(each) for each in server.said] == [Error]


@pytest.mark.parametrize("draw", ["uuid", "random", "kept"])
async def test_chance_in_an_action_is_refused(draw: str):
    """What it drew would be missing in a replay, and all that is drawn later would differ."""

    async def run(ctx: Context) -> None:
        kept = ctx.random()
        draws = {"uuid": ctx.uuid, "random": lambda: ctx.random().random(), "kept": kept.random}
        await ctx.run_typed("draw", lambda: str(draws[draw]()))

    server = Server(service(run)).run()
    await until(lambda: server.error or server.ended)
    assert "The context is used outside of its handler" in server.error.message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda ctx: ctx.sleep(DAY), "a SleepFuture is no value yet: write `await` before it"),
        (lambda ctx: greet(ctx, "a"), "a coroutine is no value yet: write `await` before it"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_a_result_that_was_not_awaited_is_told(given, told):
    async def run(ctx: Context) -> object:
        return given(ctx)

    assert told in Server(service(run)).run().error.message


async def test_a_task_of_a_result_is_told():
    async def run(ctx: Context) -> None:
        asyncio.create_task(ctx.sleep(DAY))  # noqa: RUF006 - there is none

    assert "it has begun already, so await it as it is" in Server(service(run)).run().error.message


# -- What invocations cannot share


async def test_a_lock_that_invocations_share_is_refused_with_advice():
    lock = asyncio.Lock()

    async def run(ctx: Context) -> None:
        async with lock:
            await ctx.sleep(DAY)

    servers = [Server(service(run)).run() for _ in range(3)]
    message = servers[2].error.message
    assert "bound to a different event loop" in message
    assert "virtual object" in message
    for server in servers:
        server.abandon()


async def test_a_lock_within_one_invocation_works():
    async def run(ctx: Context) -> list[int]:
        lock, order = asyncio.Lock(), []

        async def worker(number: int) -> None:
            async with lock:
                await ctx.sleep(DAY)
                order.append(number)

        await asyncio.gather(*(worker(number) for number in range(3)))
        return order

    server = Server(service(run)).run()
    for nth in range(3):
        server.complete(Sleep, nth)
    assert server.outcome == b"[0,1,2]"


async def test_a_lock_in_actions_is_shared_by_all_invocations():
    lock, order = asyncio.Lock(), []

    async def action() -> None:
        async with lock:
            order.append("in")
            await asyncio.sleep(0)
            order.append("out")

    async def run(ctx: Context) -> None:
        await ctx.run_typed("action", action)

    servers = [Server(service(run)).run() for _ in range(3)]
    await until(lambda: all(server.said_of(ProposeRunCompletion) for server in servers))
    assert order == ["in", "out"] * 3


# -- What is given wrongly


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        (lambda ctx: ctx.sleep(5), "a duration is a timedelta, not 5"),
        (lambda ctx: ctx.run_typed(5, str), "A run has a name, not 5"),
        (lambda ctx: ctx.set("a", 1), "only exclusive handlers"),
        (lambda ctx: ctx.get("a"), "only virtual objects and workflows"),
        (lambda ctx: ctx.promise("a"), "only workflows have durable promises"),
        (lambda ctx: ctx.nothing, "'Context' object has no attribute 'nothing'"),
    ],
)
async def test_misuse_of_a_context_says_what_to_write(misuse, said):
    async def run(ctx: Context) -> None:
        await misuse(ctx)

    assert said in Server(service(run)).run().error.message


async def test_the_name_of_a_state_entry_is_text():
    async def run(ctx: ObjectContext) -> None:
        ctx.set(5, "value")

    assert "is a string, not int" in Server(virtual_object(run)).run().error.message


# -- Runs that nobody waits for


async def test_a_run_that_lost_a_race_at_once_is_no_mistake():
    async def run(ctx: Context) -> str:
        async def step() -> None:
            await ctx.run_typed("charge", greet)

        async def refuse() -> None:
            raise ValueError

        with suppress(BaseExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(step())
                group.create_task(refuse())
        return "refused"

    server = Server(service(run)).run()
    assert server.error is None, server.error.message
    assert server.outcome == b'"refused"'


# -- Arguments of the wrong type


THING = VirtualObject("Thing")


@THING.handler()
async def touch(ctx: ObjectContext, name: str) -> str:
    """Stand for a handler that has a key."""
    return name


ID = "inv_1dx5elPziCh00kgAY3c6I3Dpefw27rfGHn"


@pytest.mark.parametrize(
    ("misuse", "told"),
    [
        (lambda ctx: ctx.object_call(touch, 5, "a"), "The key of the call of Thing/touch is a str"),
        (lambda ctx: ctx.object_call(touch, None, "a"), "Thing/touch belongs to a key"),
        (lambda ctx: ctx.service_call(touch, "a"), "Thing/touch belongs to a key: name it, with"),
        (lambda ctx: ctx.service_send(touch, "a"), "Thing/touch belongs to a key: name it, with"),
        (lambda ctx: ctx.object_send(greet, "k", "a"), "Other/greet belongs to a plain service"),
        (
            lambda ctx: ctx.service_call(greet, "a", idempotency_key=5),
            "The idempotency key of the call of Other/greet is a string, not int: write str(...)",
        ),
        (lambda ctx: ctx.service_call(greet, "a", headers=["h"]), "are a dict, not list"),
        (
            lambda ctx: ctx.service_call(greet, "a", headers={"h": 1}),
            "The header 'h' of the call of Other/greet is a string, not int",
        ),
        (
            lambda ctx: ctx.service_call(greet, "a", headers={1: "v"}),
            "The name of a header of the call of Other/greet is a string, not int",
        ),
        (
            lambda ctx: ctx.scope("").service_call(greet, "a"),
            "Other/greet has an empty scope: name",
        ),
        (lambda ctx: ctx.scope(5).service_send(greet, "a"), "The scope of the call of Other/greet"),
        (
            lambda ctx: ctx.scope("s").service_call(greet, "a", limit_key=""),
            "Other/greet has an empty limit key: name it, or leave it out",
        ),
        (
            lambda ctx: ctx.generic_send("A", "b", b"", limit_key="l"),
            "The call of A/b has a limit key and no scope",
        ),
        (lambda ctx: ctx.generic_call("A", "b", "text"), "The input of the call of A/b is bytes"),
        (lambda ctx: ctx.generic_call("A", 7, b""), "The handler of the call of A/7 is a string"),
        (lambda ctx: ctx.signal(5), "The name of a signal is a string, not int"),
        (lambda ctx: ctx.resolve_signal(ID, 5, 1), "The name of a signal is a string, not int"),
        (lambda ctx: ctx.reject_signal(None, "s", "x"), "The id of an invocation is a string"),
        (lambda ctx: ctx.resolve_awakeable(None, 1), "The id of an awakeable is a string"),
        (lambda ctx: ctx.reject_awakeable(ID, 5), "The message of a failure is a string"),
        (
            lambda ctx: ctx.reject_awakeable(ID, "x", "y"),
            "The code of a failure is a number such as 404, not str",
        ),
        (
            lambda ctx: ctx.run_typed("r", touch, RunOptions(max_attempts=0)),
            "write a whole number of at least 1, not 0",
        ),
        (
            lambda ctx: ctx.run_typed("r", touch, RunOptions(retry_interval_factor=0.5)),
            "retry_interval_factor is a number of at least 1, not 0.5",
        ),
        (
            lambda ctx: ctx.run_typed("r", touch, RunOptions(initial_retry_interval=-DAY)),
            "RunOptions: initial_retry_interval must not be negative",
        ),
        (
            lambda ctx: ctx.run_typed("r", touch, RunOptions(max_duration=5)),
            "RunOptions: max_duration must be a timedelta, not int: write timedelta(seconds=...)",
        ),
    ],
)
async def test_an_argument_of_the_wrong_type_is_told_before_anything_is_said(misuse, told):
    async def run(ctx: Context) -> None:
        misuse(ctx)

    server = Server(service(run)).run()
    assert told in server.error.message
    assert len(server.said) == 1


async def test_a_promise_has_a_name():
    async def run(ctx: WorkflowContext) -> None:
        ctx.promise(5)

    assert "The name of a promise is a string" in Server(workflow(run)).run().error.message
