"""What handlers do: play a program, operation by operation, and tell the books what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

import perdure
from simworld.history import History
from simworld.places import HERE, Place

#: Operations that may end before anything of their invocation is durable. Parts speak for groups;
#: to wait does not raise when the invocation is cancelled, which may be known from its beginning.
UNRECORDED = frozenset({"crashy", "hang", "send", "group", "gather", "wait"})


class Outside:
    """What handlers touch of the world; the same services serve one world after the other."""

    def __init__(self) -> None:
        self.leave()

    def leave(self) -> None:
        """Know no world."""
        self.history = History()
        self.now_ms: Callable[[], int] = lambda: 0
        #: Told at each side effect, which may be the server's last moment; False once it was.
        self.point: Callable[[str], bool] = lambda _kind: True
        #: Is given the awakeables that somebody shall complete: the id, and what to call it.
        self.post: Callable[[str, str], object] = lambda _awakeable_id, _name: None
        #: Whether there are several partitions, between which calls shall go.
        self.spread = False

    def passes(self, place: Place) -> bool:
        """Pass the point before a side effect; False if the handler's process has died of it."""
        return self.point("effect") or place.remote

    def execute(self, who: str, step: str, place: Place) -> str:
        """Do something that cannot be undone."""
        alive = self.passes(place)
        token = self.history.execute(who, step, late=place.given_up)
        if not alive:
            raise RuntimeError("the process is gone")
        return token


class Shop(Protocol):
    """The handlers that programs call."""

    outside: Outside
    play: Any
    append: Any
    complete: Any
    signal: Any


class Turn:
    """One run of a program by a handler."""

    def __init__(self, ctx: Any, shop: Shop) -> None:
        self.ctx = ctx
        self.who: str = ctx.request().id
        self.place = HERE.get()
        self.shop = shop
        self.outside = shop.outside
        self.history = shop.outside.history

    async def play(self, program: list[Any]) -> list[Any]:
        return [await self.perform(operation) for operation in program]

    async def perform(self, operation: list[Any]) -> Any:
        kind, place, *parameters = operation
        result = await getattr(self, kind)(place, *parameters)
        self.history.see(self.who, place, result)
        if kind not in UNRECORDED:
            self.history.settle(self.who, self.place.deployment)
        return result

    def ms(self, count: int) -> timedelta:
        return timedelta(milliseconds=count)

    async def step(self, place: str, threaded: bool, first_ms: int) -> str:
        """A step; the first time that somebody takes it, it takes longer."""

        def act() -> str:
            return self.outside.execute(self.who, place, self.place)

        async def act_slowly() -> str:
            first = self.history.encounter(self.who, place) == 1
            await asyncio.sleep((first_ms if first else 1) / 1000)
            return self.outside.execute(self.who, place, self.place)

        return await self.ctx.run_typed(place, act if threaded else act_slowly)

    async def flaky(self, place: str, times: int) -> str:
        async def act() -> str:
            token = self.outside.execute(self.who, place, self.place)
            if self.history.encounter(self.who, place) <= times:
                raise RuntimeError("flaky")
            return token

        return await self.ctx.run_typed(place, act)

    async def crashy(self, place: str, times: int) -> None:
        if self.history.encounter(self.who, place) <= times:
            raise RuntimeError("crashy")

    async def hang(self, place: str, times: int) -> None:
        if self.history.encounter(self.who, place) <= times:
            await asyncio.get_running_loop().real.create_future()  # type: ignore[attr-defined]

    async def sleep(self, place: str, ms: int) -> None:
        what = f"sleep {self.who}/{place}"
        self.history.begin_wait(what, self.outside.now_ms() + ms)
        await self.ctx.sleep(self.ms(ms))
        self.history.end_wait(what)

    def write(self, place: str, ledger: str, pause_ms: int, noting: bool) -> Any:
        line = f"{self.who}/{place}"
        self.history.issue(ledger, line)
        return self.ctx.object_call(self.shop.append, ledger, [line, pause_ms, noting])

    async def append(self, place: str, ledger: str, pause_ms: int, noting: bool) -> int:
        position: int = await self.write(place, ledger, pause_ms, noting)
        self.history.placed(ledger, f"{self.who}/{place}", position)
        return position

    async def send(self, place: str, ledger: str, delay_ms: int) -> None:
        line = f"{self.who}/{place}"
        self.history.issue(ledger, line)
        delay = None
        if delay_ms:
            delay = self.ms(delay_ms)
            self.history.begin_wait(line, self.outside.now_ms() + delay_ms)
        self.ctx.object_send(self.shop.append, ledger, [line, 0, False], send_delay=delay)

    async def call(self, place: str, program: list[Any]) -> list[Any]:
        future = self.ctx.service_call(self.shop.play, program, **self.anywhere(place))
        return await self.result_of(future)

    def anywhere(self, place: str) -> dict[str, str]:
        """Let a call go to any partition, where there are several; otherwise it would stay here."""
        return {"idempotency_key": f"{self.who}/{place}?"} if self.outside.spread else {}

    async def result_of(self, future: Any) -> list[Any]:
        try:
            result: list[Any] = await future
        except perdure.TerminalError as error:
            if not error.message.startswith("terminal"):
                raise
            return ["failed", error.message]
        return result

    async def terminal(self, place: str) -> None:
        raise perdure.TerminalError(f"terminal {place}")

    async def gather(self, _place: str, program: list[Any]) -> list[Any]:
        return await asyncio.gather(*[self.perform(operation) for operation in program])

    async def group(self, _place: str, program: list[Any]) -> list[Any]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.perform(operation)) for operation in program]
        return [task.result() for task in tasks]

    async def race(self, place: str, ms: int, ledger: str) -> str:
        other = self.write(place, ledger, 0, noting=False)
        winner, _ = await perdure.select(timer=self.ctx.sleep(self.ms(ms)), other=other)
        return winner

    async def wait(self, _place: str, first_ms: int, second_ms: int) -> str:
        first, second = (self.ctx.sleep(self.ms(ms)) for ms in (first_ms, second_ms))
        done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        return "first" if first in done else "second"

    async def timeout(self, _place: str, ms: int) -> str:
        _, future = self.ctx.awakeable(type_hint=str)
        try:
            async with asyncio.timeout(ms / 1000):
                return await future
        except TimeoutError:
            return "timeout"

    async def awakeable(self, place: str) -> str:
        awakeable_id, future = self.ctx.awakeable(type_hint=str)

        async def post() -> None:
            if self.outside.passes(self.place):
                self.outside.post(awakeable_id, f"{self.who}/{place}")

        await self.ctx.run_typed("post", post)
        return await future

    async def pair(self, place: str, delay_ms: int) -> list[str]:
        """Two awakeables that another handler completes in one go."""
        first, second = (self.ctx.awakeable(type_hint=str) for _ in range(2))
        both = [first[0], second[0]]
        delay = self.ms(delay_ms)
        self.ctx.service_send(self.shop.complete, both, send_delay=delay, **self.anywhere(place))
        return [await first[1], await second[1]]

    async def signals(self, place: str, delay_ms: int) -> list[str]:
        """Signals of one name, which come in the order in which they were sent."""
        delay, target = self.ms(delay_ms), [self.who, place]
        self.ctx.service_send(self.shop.signal, target, send_delay=delay, **self.anywhere(place))
        first = await self.ctx.signal(place, type_hint=str)
        return [first, await self.ctx.signal(place, type_hint=str)]

    async def output(self, place: str, program: list[Any]) -> list[Any]:
        """Look for a result until it is there."""
        handle = self.ctx.service_send(self.shop.play, program, **self.anywhere(place))
        callee = await handle.invocation_id()
        while True:
            future = self.ctx.get_invocation_output(callee, type_hint=list)
            found = await self.result_of(future)
            if found is not None:
                return found
            await self.ctx.sleep(self.ms(400))

    async def give_up(self, place: str, ms: int, ledger: str) -> int | str:
        """Wait for a call for some time only; the call goes on."""
        call = self.write(place, ledger, 0, noting=False)
        try:
            async with asyncio.timeout(ms / 1000):
                position: int = await call
        except TimeoutError:
            return "timeout"
        return position

    async def attach(self, place: str, program: list[Any]) -> list[Any]:
        """Send a request and wait for its result, twice."""
        handle = self.ctx.service_send(self.shop.play, program, **self.anywhere(place))
        callee = await handle.invocation_id()
        futures = [self.ctx.attach_invocation(callee, type_hint=list) for _ in range(2)]
        results = [await self.result_of(future) for future in futures]
        if results[0] != results[1]:
            self.history.accuse("attach", f"{self.who}/{place} got {results!r}")
        return results[0]

    async def cancel(self, place: str, ms: int) -> int:
        program = [["sleep", f"{place}.s", 36_000_000]]
        handle = self.ctx.service_call(self.shop.play, program, **self.anywhere(place))
        await self.ctx.sleep(self.ms(ms))
        self.ctx.cancel_invocation(await handle.invocation_id())
        try:
            await handle
        except perdure.TerminalError as error:
            return error.status_code
        return 200

    async def idempotent(self, place: str, program: list[Any]) -> list[Any]:
        key = f"{self.who}/{place}"
        calls = [
            self.ctx.service_call(self.shop.play, program, idempotency_key=key) for _ in range(2)
        ]
        results = [await self.result_of(call) for call in calls]
        if results[0] != results[1]:
            self.history.accuse("idempotency", f"{key} gave {results!r}")
        return results[0]
