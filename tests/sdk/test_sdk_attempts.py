"""Messages in, user code, messages out: what handlers do, and what the server hears of it."""

import asyncio
import threading
from datetime import timedelta

import pytest
from scripted_server import NOW_MS, Server, service, until, virtual_object, workflow

from perdure.protocol.messages import (
    VOID,
    AttachInvocation,
    AwaitingOn,
    Call,
    ClearAllState,
    ClearState,
    Combinator,
    CompleteAwakeable,
    CompletePromise,
    End,
    Error,
    Failure,
    Future,
    GetEagerState,
    GetEagerStateKeys,
    GetInvocationOutput,
    GetLazyState,
    GetLazyStateKeys,
    GetPromise,
    InvocationTarget,
    OneWayCall,
    Output,
    PeekPromise,
    ProposeRunCompletion,
    Run,
    SendSignal,
    SetState,
    Sleep,
    StateKeys,
    Suspension,
    Value,
)
from perdure.sdk.combinators import gather
from perdure.sdk.context import Context, ObjectContext, RunOptions, WorkflowContext
from perdure.sdk.errors import ContextMisuseError, RetryableError, TerminalError
from perdure.sdk.services import Service

DAY = timedelta(days=1)
other = Service("Other")


@other.handler()
async def greet(ctx: Context, name: str) -> str:
    return name


async def test_a_plain_handler_answers_within_receive():
    async def run(_ctx: Context, name: str) -> str:
        return f"Hello {name}"

    server = Server(service(run), b'"Ada"').run()
    assert server.said == [Output(Value(b'"Hello Ada"')), End()]


async def test_input_that_cannot_be_read_is_a_bad_request():
    async def run(_ctx: Context, number: int) -> int:
        return number

    server = Server(service(run), b'"Ada"').run()
    assert server.outcome.code == 400
    assert "S/run" in server.outcome.message
    assert server.ended


async def test_a_terminal_error_is_the_result():
    async def run(_ctx: Context) -> None:
        raise TerminalError("no", 418, {"why": "teapot"})

    server = Server(service(run)).run()
    assert server.said == [Output(Failure(418, "no", (("why", "teapot"),))), End()]


async def test_a_terminal_error_counts_when_it_was_wrapped():
    async def run(_ctx: Context) -> None:
        raise ValueError("wrapped") from TerminalError("no", 418)

    assert Server(service(run)).run().outcome == Failure(418, "no")


async def test_any_other_error_is_for_the_server_to_retry():
    async def run(_ctx: Context) -> None:
        raise ValueError("broken")

    error = Server(service(run)).run().error
    assert (error.code, error.message) == (500, "ValueError('broken')")
    assert "test_sdk_attempts.py" in error.stacktrace
    assert error.next_retry_delay is None


async def test_a_retryable_error_says_when():
    async def run(_ctx: Context) -> None:
        raise RetryableError("later", 503, timedelta(seconds=3))

    error = Server(service(run)).run().error
    assert (error.code, error.message, error.next_retry_delay) == (503, "later", 3000)


async def test_metadata_of_a_failure_needs_version_6():
    async def run(_ctx: Context) -> None:
        raise TerminalError("no", metadata={"a": "b"})

    assert Server(service(run), version=5).run().error.code == 573
    assert Server(service(run), version=6).run().ended


class TestRuns:
    @pytest.mark.parametrize("version", [5, 6, 7])
    async def test_a_run_is_proposed_and_seen_when_it_is_safe(self, version: int):
        async def fetch() -> dict[str, int]:
            return {"a": 1}

        async def run(ctx: Context) -> int:
            return (await ctx.run_typed("fetch", fetch))["a"]

        server = Server(service(run), version=version, acknowledges=False).run()
        proposal = ProposeRunCompletion(1, Value(b'{"a":1}'), version == 7)
        assert server.said == [Run(1, "fetch"), proposal]
        server.acknowledge()
        assert server.outcome == b"1"

    async def test_an_ordinary_function_runs_in_a_thread(self):
        async def run(ctx: Context) -> bool:
            name = await ctx.run("thread", lambda: threading.current_thread().name)
            return name == threading.main_thread().name

        server = Server(service(run)).run()
        await until(lambda: server.ended)
        assert server.outcome == b"false"

    async def test_a_function_may_return_a_coroutine(self):
        async def fetch() -> int:
            await asyncio.sleep(0)
            return 3

        async def run(ctx: Context) -> int:
            return await ctx.run("lambda", lambda: fetch())  # noqa: PLW0108

        server = Server(service(run)).run()
        await until(lambda: server.ended)
        assert server.outcome == b"3"

    async def test_an_object_may_be_an_action(self):
        class Fetch:
            async def __call__(self) -> int:
                return 4

            async def method(self) -> int:
                return 5

        async def run(ctx: Context) -> list[int]:
            return [await ctx.run("object", Fetch()), await ctx.run("method", Fetch().method)]

        assert Server(service(run)).run().outcome == b"[4,5]"

    async def test_runs_that_wait_are_executed_together(self):
        arrived: list[int] = []
        both = asyncio.Event()

        async def meet(number: int) -> int:
            arrived.append(number)
            if len(arrived) == 2:
                both.set()
            await both.wait()
            return number

        async def run(ctx: Context) -> list[int]:
            first = ctx.run_typed("one", meet, RunOptions(), 1)
            second = ctx.run_typed("two", meet, RunOptions(), 2)
            return [await first, await second]

        server = Server(service(run)).run()
        await until(lambda: server.ended)
        assert server.outcome == b"[1,2]"

    async def test_a_failing_run_ends_the_attempt_and_is_named(self):
        async def fail() -> None:
            raise ValueError("broken")

        async def run(ctx: Context) -> None:
            await ctx.sleep(DAY)
            await ctx.run_typed("charge", fail)

        server = Server(service(run)).run()
        server.complete(Sleep, 0)
        error = server.error
        assert (error.code, error.message) == (500, "ValueError('broken')")
        assert (error.related_command_index, error.related_command_name) == (2, "charge")
        assert error.related_command_type == 0x0411
        assert error.next_retry_delay is None

    async def test_retries_of_a_run_go_by_its_options(self):
        async def fail() -> None:
            raise ValueError("broken")

        async def run(ctx: Context) -> None:
            await ctx.run_typed("charge", fail, RunOptions(max_attempts=3))

        host = service(run)
        server = Server(host).run()
        assert server.error.next_retry_delay == 50
        server.start = {"retry_count_since_last_stored_entry": 1}
        assert server.run().error.next_retry_delay == 100
        server.start = {"retry_count_since_last_stored_entry": 2}
        server.run()
        assert server.outcome == Failure(500, "ValueError('broken')")

    async def test_a_run_may_fail_for_good(self):
        async def fail() -> None:
            raise TerminalError("refused", 402)

        async def run(ctx: Context) -> str:
            try:
                await ctx.run_typed("charge", fail)
            except TerminalError as error:
                return f"{error.status_code} {error.message}"
            return "paid"

        assert Server(service(run)).run().outcome == b'"402 refused"'

    async def test_the_older_way_has_its_options_too(self):
        async def fail(_what: str) -> None:
            raise ValueError("broken")

        async def run(ctx: Context) -> None:
            await ctx.run("charge", fail, max_attempts=1, type_hint=int, args=("x",))

        assert Server(service(run)).run().outcome == Failure(500, "ValueError('broken')")

    async def test_nothing_more_starts_once_a_run_has_failed(self):
        started: list[int] = []

        async def fail(number: int) -> None:
            started.append(number)
            raise ValueError("broken")

        async def run(ctx: Context) -> None:
            await asyncio.gather(
                *(ctx.run_typed("charge", fail, number=number) for number in range(3))
            )

        assert Server(service(run)).run().error
        assert started == [0]

    async def test_metadata_of_a_failed_run_needs_version_6(self):
        async def fail() -> None:
            raise TerminalError("no", metadata={"a": "b"})

        async def run(ctx: Context) -> None:
            await ctx.run_typed("charge", fail)

        assert Server(service(run), version=5).run().error.code == 573

    async def test_a_run_asks_for_its_own_delay(self):
        async def fail() -> None:
            raise RetryableError("busy", 429, timedelta(seconds=9))

        async def run(ctx: Context) -> None:
            await ctx.run_typed("charge", fail)

        error = Server(service(run)).run().error
        assert (error.code, error.message, error.next_retry_delay) == (429, "busy", 9000)

    async def test_a_run_that_is_known_is_not_executed_again(self):
        calls: list[int] = []

        async def count() -> int:
            calls.append(1)
            return len(calls)

        async def run(ctx: Context) -> int:
            number = await ctx.run_typed("count", count)
            await ctx.sleep(DAY)
            return number

        server = Server(service(run)).run(request_response=True)
        assert server.suspended_on == Future((2,), (1,))
        server.attempt = None
        server.complete(Sleep, 0)
        server.run()
        assert server.outcome == b"1"
        assert calls == [1]

    async def test_a_run_that_is_forgotten_is_told(self):
        async def fetch() -> int:
            return 1

        async def run(ctx: Context) -> None:
            ctx.run_typed("fetch", fetch)

        error = Server(service(run)).run().error
        assert "'fetch'" in error.message
        assert "await ctx.run_typed" in error.message

    async def test_a_coroutine_instead_of_a_function_is_told(self):
        async def fetch() -> int:
            return 1

        async def run(ctx: Context) -> None:
            await ctx.run_typed("fetch", fetch())

        assert "do not call it" in Server(service(run)).run().error.message

    async def test_the_context_cannot_be_used_in_an_action(self):
        async def run(ctx: Context) -> None:
            async def inner() -> None:
                ctx.sleep(DAY)

            await ctx.run_typed("inner", inner)

        error = Server(service(run)).run().error
        assert "ContextMisuseError" in error.message
        assert error.related_command_name == "inner"

    async def test_time_is_a_run(self):
        async def run(ctx: Context) -> bool:
            return await ctx.time() > 1_700_000_000

        server = Server(service(run)).run()
        assert server.said[0] == Run(1, "timestamp")
        assert server.outcome == b"true"

    async def test_an_action_that_is_under_way_keeps_the_attempt(self):
        go_on = asyncio.Event()

        async def wait() -> int:
            await go_on.wait()
            return 1

        async def run(ctx: Context) -> int:
            return await ctx.run_typed("wait", wait)

        server = Server(service(run), acknowledges=False).run(request_response=True)
        assert server.said == [Run(1, "wait")]
        go_on.set()
        await until(lambda: server.suspended_on)
        assert server.said[1:] == [
            ProposeRunCompletion(1, Value(b"1"), ack=True),
            Suspension(Future((1,), (1,))),
        ]

    async def test_an_action_is_cancelled_with_its_attempt(self):
        stopped = asyncio.Event()

        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        async def run(ctx: Context) -> None:
            await ctx.run_typed("wait", wait)

        server = Server(service(run)).run()
        server.abandon()
        await stopped.wait()
        assert server.said == [Run(1, "wait")]


class TestSleeps:
    async def test_a_sleep_suspends_until_it_ends(self):
        async def run(ctx: Context) -> None:
            await ctx.sleep(DAY, "night")

        server = Server(service(run)).run()
        assert server.said == [
            Sleep(NOW_MS + 86_400_000, 1, "night"),
            AwaitingOn(Future((1,), (1,))),
        ]
        server.close_input()
        assert server.suspended_on == Future((1,), (1,))
        server.attempt = None
        server.complete(Sleep, 0)
        assert server.run().said == [Output(Value(b"")), End()]

    async def test_asyncio_sleeps_are_durable(self):
        async def run(_ctx: Context) -> float:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await asyncio.sleep(0)
            await asyncio.sleep(90)
            return loop.time() - began

        server = Server(service(run)).run()
        assert server.said[0] == Sleep(NOW_MS + 90_000, 1)
        server.complete(Sleep, 0)
        assert server.outcome == b"90.0"

    async def test_a_timeout_is_durable(self):
        async def run(ctx: Context) -> str:
            _, answer = ctx.awakeable(type_hint=str)
            try:
                async with asyncio.timeout(60):
                    return await answer
            except TimeoutError:
                return "late"

        server = Server(service(run)).run()
        assert server.announced == Future((1,), (17, 1))
        server.complete(Sleep, 0)
        assert server.outcome == b'"late"'

    async def test_what_a_timeout_gave_up_can_be_awaited_again(self):
        async def run(ctx: Context) -> str:
            _, answer = ctx.awakeable(type_hint=str)
            try:
                async with asyncio.timeout(60):
                    await answer
            except TimeoutError:
                pass
            return await answer

        server = Server(service(run)).run()
        server.complete(Sleep, 0)
        assert server.announced == Future((), (17, 1))
        server.signal(17, Value(b'"done"'))
        assert server.outcome == b'"done"'


class TestState:
    async def test_reads_are_answered_from_what_came_with_start(self):
        async def run(ctx: ObjectContext) -> list[object]:
            ctx.set("b", 2)
            ctx.clear("a")
            keys = await ctx.state_keys()
            return [await ctx.get("a"), await ctx.get("b", type_hint=int), keys, ctx.key()]

        server = Server(virtual_object(run), start={"state_map": ((b"a", b"1"),)}).run()
        assert server.said[:-2] == [
            SetState(b"b", Value(b"2")),
            ClearState(b"a"),
            GetEagerStateKeys(StateKeys((b"b",))),
            GetEagerState(b"a", VOID),
            GetEagerState(b"b", Value(b"2")),
        ]
        assert server.outcome == b'[null,2,["b"],"k"]'

    async def test_unknown_keys_are_asked_of_the_server(self):
        async def run(ctx: ObjectContext) -> list[object]:
            values = [await ctx.get("a"), await ctx.get("c"), await ctx.state_keys()]
            ctx.clear_all()
            return [*values, await ctx.get("a")]

        start = {"state_map": ((b"b", b"2"),), "partial_state": True}
        server = Server(virtual_object(run), start=start)
        server.state[b"a"] = b"1"
        server.run()
        assert server.commands[:-1] == [
            GetLazyState(b"a", 1),
            GetLazyState(b"c", 2),
            GetLazyStateKeys(3),
            ClearAllState(),
            GetEagerState(b"a", VOID),
        ]
        assert server.outcome == b'[1,null,["a","b"],null]'

    async def test_the_journal_decides_how_a_read_is_answered(self):
        async def run(ctx: ObjectContext) -> list[object]:
            first = await ctx.get("a")
            await ctx.sleep(DAY)
            return [first, await ctx.get("a")]

        start = {"state_map": ((b"a", b"1"),)}
        server = Server(virtual_object(run), start=start).run(request_response=True)
        server.attempt = None
        server.complete(Sleep, 0)
        server.start = {"state_map": (), "partial_state": True}
        server.state[b"a"] = b"2"
        server.run()
        assert server.outcome == b"[1,2]"


class TestCalls:
    async def test_a_call_and_its_invocation(self):
        async def run(ctx: Context) -> list[str]:
            call = ctx.service_call(greet, "Ada", idempotency_key="i", headers={"h": "v"})
            return [await call.invocation_id(), await call]

        server = Server(service(run)).run()
        assert server.said[0] == Call(
            "Other", "greet", b'"Ada"', 1, 2, (("h", "v"),), idempotency_key="i"
        )
        server.complete(Call, 0, Value(b'"Hi"'))
        assert server.outcome == b'["inv_1child1","Hi"]'

    async def test_a_failed_call_raises_its_failure(self):
        async def run(ctx: Context) -> str:
            try:
                return await ctx.generic_call("X", "y", b"", key="k")
            except TerminalError as error:
                return f"{error.status_code} {error.message} {error.metadata}"

        server = Server(service(run)).run()
        assert server.said[0] == Call("X", "y", b"", 1, 2, key="k")
        server.complete(Call, 0, Failure(404, "gone", (("a", "b"),)))
        assert server.outcome == b"\"404 gone {'a': 'b'}\""

    async def test_sends_are_not_waited_for(self):
        async def run(ctx: Context) -> str:
            ctx.service_send(greet, "Ada", send_delay=timedelta(seconds=5))
            handle = ctx.generic_send("X", "y", b"z")
            await handle.cancel_invocation()
            return await handle.invocation_id()

        server = Server(service(run)).run()
        assert server.commands[:3] == [
            OneWayCall("Other", "greet", b'"Ada"', 1, NOW_MS + 5000),
            OneWayCall("X", "y", b"z", 2),
            SendSignal("inv_1child2", 1, VOID),
        ]
        assert server.outcome == b'"inv_1child2"'

    async def test_other_invocations_can_be_attached_and_read_and_cancelled(self):
        async def run(ctx: Context) -> list[object]:
            ctx.cancel_invocation("inv_1a")
            attached = ctx.attach_invocation("inv_1b", type_hint=int)
            output = ctx.get_invocation_output("inv_1c", type_hint=int)
            return [await attached, await output]

        server = Server(service(run)).run()
        assert server.said[:3] == [
            SendSignal("inv_1a", 1, VOID),
            AttachInvocation(InvocationTarget("inv_1b"), 1),
            GetInvocationOutput(InvocationTarget("inv_1c"), 2),
        ]
        server.complete(AttachInvocation, 0, Value(b"5"))
        server.complete(GetInvocationOutput, 0, VOID)
        assert server.outcome == b"[5,null]"

    async def test_scopes_need_version_7(self):
        async def run(ctx: Context) -> str:
            return await ctx.scope("s").service_call(greet, "Ada", limit_key="l")

        assert Server(service(run), version=6).run().error.code == 573
        call = Server(service(run)).run().said[0]
        assert (call.scope, call.limit_key) == ("s", "l")

    @pytest.mark.parametrize(
        ("call", "advice"),
        [
            (lambda ctx: ctx.service_call(greet, "", idempotency_key=""), "leave it out"),
            (lambda ctx: ctx.service_call(print, ""), "not a handler"),
            (lambda ctx: ctx.cancel_invocation(None), "invocation_id()"),
        ],
    )
    async def test_calls_that_make_no_sense_are_told(self, call, advice: str):
        async def run(ctx: Context) -> None:
            call(ctx)

        assert advice in Server(service(run)).run().error.message


class TestSignalsAndPromises:
    async def test_awakeables_are_completed_from_outside(self):
        async def run(ctx: Context) -> list[object]:
            first_id, first = ctx.awakeable(type_hint=int)
            second_id, second = ctx.awakeable()
            try:
                await second
            except TerminalError as error:
                return [await first, error.message, first_id[:6], first_id == second_id]
            return []

        server = Server(service(run)).run()
        server.signal(17, Value(b"4"))
        assert not server.ended
        server.signal(18, Failure(500, "no"))
        assert server.outcome == b'[4,"no","sign_1",false]'

    async def test_awakeables_of_others_are_completed_here(self):
        async def run(ctx: Context) -> None:
            ctx.resolve_awakeable("sign_1a", {"x": 1})
            ctx.reject_awakeable("sign_1b", "no", 403)

        server = Server(service(run)).run()
        assert server.said[:2] == [
            CompleteAwakeable("sign_1a", Value(b'{"x":1}')),
            CompleteAwakeable("sign_1b", Failure(403, "no")),
        ]

    async def test_signals_of_a_name_come_in_order(self):
        async def run(ctx: Context) -> list[int]:
            first, second = ctx.signal("s", type_hint=int), ctx.signal("s", type_hint=int)
            return [await second, await first, await ctx.signal("s", type_hint=int)]

        server = Server(service(run)).run()
        assert server.announced == Future((), (1,), ("s",))
        for number in (1, 2, 3):
            server.signal("s", Value(str(number).encode()))
        assert server.outcome == b"[2,1,3]"

    async def test_signals_are_sent(self):
        async def run(ctx: Context) -> None:
            ctx.resolve_signal("inv_1a", "s", 1)
            ctx.reject_signal("inv_1a", "s", "no")

        assert Server(service(run)).run().said[:2] == [
            SendSignal("inv_1a", "s", Value(b"1")),
            SendSignal("inv_1a", "s", Failure(500, "no")),
        ]

    async def test_promises_of_a_workflow(self):
        async def run(ctx: WorkflowContext) -> list[object]:
            promise = ctx.promise("p", type_hint=str)
            before = await promise.peek()
            await promise.resolve("x")
            await ctx.promise("q").reject("no", 403)
            return [before, await promise]

        server = Server(workflow(run)).run()
        assert server.commands == [
            PeekPromise("p", 1),
            CompletePromise("p", Value(b'"x"'), 2),
            CompletePromise("q", Failure(403, "no"), 3),
            GetPromise("p", 4),
        ]
        server.complete(GetPromise, 0, Value(b'"y"'))
        assert server.outcome == b'[null,"y"]'


class TestSuspension:
    async def test_all_of_a_group_are_waited_for(self):
        async def run(ctx: Context) -> None:
            await gather(ctx.sleep(DAY), ctx.sleep(DAY), ctx.sleep(DAY))

        server = Server(service(run)).run()
        server.complete(Sleep, 1)
        group = Future((1, 3), combinator=Combinator.ALL_COMPLETED)
        assert server.close_input().suspended_on == Future((), (1,), nested=(group,))

    async def test_before_version_7_any_of_them_wakes(self):
        async def run(ctx: Context) -> None:
            await gather(ctx.sleep(DAY), ctx.sleep(DAY))

        server = Server(service(run), version=6).run(request_response=True)
        assert server.said[-1] == Suspension(Future((1, 2), (1,)))
        assert not server.said_of(AwaitingOn)

    async def test_timers_that_are_over_are_forgotten(self):
        async def run(ctx: Context) -> None:
            for _ in range(500):
                async with asyncio.timeout(60):
                    await asyncio.sleep(0)
            await ctx.sleep(DAY)

        server = Server(service(run)).run()
        assert server.announced == Future((501,), (1,))
        assert server.close_input().suspended_on == Future((501,), (1,))

    async def test_what_very_many_wait_for_is_told_in_the_end_only(self):
        async def run(ctx: Context) -> None:
            await asyncio.gather(*(ctx.sleep(DAY) for _ in range(200)))

        server = Server(service(run)).run()
        assert server.announced is None
        assert len(server.close_input().suspended_on.completions) == 200

    async def test_what_only_this_process_can_end_is_waited_for(self):
        go_on = asyncio.Event()

        async def work() -> int:
            await go_on.wait()
            return 5

        task = asyncio.get_running_loop().create_task(work())

        async def run(ctx: Context) -> None:
            async def foreign() -> int:
                return await task

            await asyncio.gather(foreign(), ctx.sleep(DAY))

        server = Server(service(run)).run(request_response=True)
        assert server.said == [Sleep(NOW_MS + 86_400_000, 1)]
        go_on.set()
        await until(lambda: server.suspended_on)
        assert server.suspended_on == Future((1,), (1,))

    async def test_the_handler_cleans_up_without_its_context(self):
        said: list[str] = []

        async def run(ctx: Context) -> None:
            try:
                await ctx.sleep(DAY)
            finally:
                try:
                    ctx.sleep(DAY)
                except BaseException as error:
                    said.append(type(error).__name__)
                    raise

        server = Server(service(run)).run(request_response=True)
        assert said == ["SuspendedException"]
        assert isinstance(server.said[-1], Suspension)

    async def test_the_end_of_an_attempt_can_be_awaited(self):
        ended = []

        async def run(ctx: Context) -> None:
            event = ctx.request().attempt_finished_event
            ended.append(event)
            await ctx.sleep(DAY)

        server = Server(service(run)).run()
        waiting = asyncio.get_running_loop().create_task(ended[0].wait())
        await asyncio.sleep(0)
        assert not ended[0].is_set()
        server.close_input()
        await waiting
        assert ended[0].is_set()


class TestChangedCode:
    async def test_waiting_where_the_journal_goes_on_is_told(self):
        async def run(ctx: Context) -> None:
            await ctx.sleep(DAY)
            await ctx.run_typed("later", greet)

        error = Server(service(run), journal=[Sleep(1, 1), Run(2, "later")]).run().error
        assert error.code == 570
        assert "command 2 of the journal is Run 'later'" in error.message
        assert "waits" in error.message

    async def test_doing_something_else_ends_the_attempt_for_good(self):
        async def run(ctx: Context) -> str:
            try:
                ctx.sleep(DAY)
            except Exception:  # noqa: BLE001 - too late to be caught
                return "caught"
            return "no"

        server = Server(service(run), journal=[Run(1, "charge")]).run()
        assert [each.code for each in server.said] == [570]

    async def test_a_cancellation_that_is_not_passed_on_is_told(self):
        async def run(ctx: Context) -> None:
            await ctx.generic_call("X", "y", b"")

        server = Server(service(run)).run()
        server.signal(1)
        server.journal = [
            ClearAllState() if isinstance(each, SendSignal) else each for each in server.journal
        ]
        assert server.run().error.code == 570


class TestCancellation:
    async def test_the_handler_is_told_where_it_waits(self):
        async def run(ctx: Context) -> str:
            try:
                await ctx.sleep(DAY)
            except TerminalError as error:
                return f"{error.status_code} {error.message}"
            return ""

        server = Server(service(run)).run()
        server.signal(1)
        assert server.outcome == b'"409 cancelled"'

    async def test_it_is_the_result_if_nobody_minds(self):
        async def run(_ctx: Context) -> None:
            await asyncio.sleep(60)

        server = Server(service(run)).run()
        server.signal(1)
        assert server.outcome == Failure(409, "cancelled")

    @pytest.mark.parametrize("how", ["gather", "wait", "group", "combined"])
    async def test_every_way_of_waiting_hears_of_it(self, how: str):
        async def run(ctx: Context) -> None:
            futures = [ctx.sleep(DAY), ctx.sleep(DAY)]
            match how:
                case "gather":
                    await asyncio.gather(*futures)
                case "wait":
                    done, _ = await asyncio.wait(futures)
                    for future in done:
                        await future
                case "group":
                    async with asyncio.TaskGroup() as group:
                        for future in futures:
                            group.create_task(asyncio.wait_for(future, 5))
                case "combined":
                    await gather(*futures)

        server = Server(service(run)).run()
        server.signal(1)
        assert server.outcome == Failure(409, "cancelled")

    async def test_calls_are_cancelled_too_but_not_sends(self):
        async def run(ctx: Context) -> None:
            ctx.generic_send("X", "y", b"")
            calls = [ctx.generic_call("X", "y", b""), ctx.generic_call("X", "y", b"")]
            await asyncio.gather(*calls)

        server = Server(service(run)).run()
        server.signal(1)
        assert server.said_of(SendSignal) == [
            SendSignal("inv_1child2", 1, VOID),
            SendSignal("inv_1child4", 1, VOID),
        ]

    async def test_it_can_be_survived_and_come_again(self):
        async def run(ctx: Context) -> int:
            survived = 0
            future = ctx.sleep(DAY)
            while True:
                try:
                    await future
                except TerminalError:
                    survived += 1
                else:
                    return survived

        server = Server(service(run)).run()
        server.signal(1)
        server.signal(1)
        server.complete(Sleep, 0)
        assert server.outcome == b"2"

    async def test_it_waits_until_the_handler_waits(self):
        go_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def run(ctx: Context) -> str:
            await go_on
            try:
                await ctx.sleep(DAY)
            except TerminalError:
                return "told"
            return ""

        server = Server(service(run)).run()
        server.signal(1)
        assert not server.said
        go_on.set_result(None)
        await until(lambda: server.ended)
        assert server.outcome == b'"told"'


class TestMisuse:
    async def test_the_context_ends_with_its_handler(self):
        kept: list[Context] = []

        async def run(ctx: Context) -> None:
            kept.append(ctx)

        Server(service(run)).run()
        with pytest.raises(ContextMisuseError, match="outside of its handler"):
            kept[0].sleep(DAY)

    async def test_a_task_that_outlives_the_handler_is_told(self):
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

    async def test_a_result_cannot_be_awaited_elsewhere(self):
        kept = []

        async def run(ctx: Context) -> None:
            kept.append(ctx.sleep(DAY))
            await kept[0]

        Server(service(run)).run()
        with pytest.raises(ContextMisuseError, match="outside of its handler"):
            await kept[0]

    async def test_a_handler_that_spins_does_not_stop_the_process(self):
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

    async def test_an_error_of_the_sdk_cannot_be_kept(self):
        async def run(ctx: Context) -> str:
            try:
                await ctx.scope("s").service_call(greet, "")
            except BaseException:  # noqa: BLE001 - what no handler should write
                return "kept"
            return ""

        server = Server(service(run), version=6).run()
        assert [type(each) for each in server.said] == [Error]


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
