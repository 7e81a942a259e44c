"""The services of the simulated application: they play programs and keep ledgers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure.sdk.app import app
from perdure.sdk.definitions import ServiceDefinition
from simworld.places import HERE
from simworld.turns import Outside, Turn


class Shop:
    """The services, and the handlers that programs call."""

    def __init__(self) -> None:
        self.outside = Outside()
        quickly = perdure.InvocationRetryPolicy(
            initial_interval=timedelta(milliseconds=10),
            max_interval=timedelta(milliseconds=500),
            max_attempts=1_000,
        )
        thrice = perdure.InvocationRetryPolicy(
            initial_interval=timedelta(milliseconds=10), max_attempts=2, on_max_attempts="pause"
        )
        common: Any = {
            "invocation_retry_policy": quickly,
            "abort_timeout": timedelta(seconds=2),
        }
        self.player = perdure.Service("Player", inactivity_timeout=timedelta(seconds=1), **common)
        self.hasty = perdure.Service(
            "Hasty",
            inactivity_timeout=timedelta(0),
            journal_retention=timedelta(0),
            **common,
        )
        self.fragile = perdure.Service(
            "Fragile",
            inactivity_timeout=timedelta(seconds=1),
            abort_timeout=timedelta(seconds=2),
            invocation_retry_policy=thrice,
        )
        self.ledger = perdure.VirtualObject(
            "Ledger", inactivity_timeout=timedelta(seconds=1), **common
        )
        self.desk = perdure.VirtualObject(
            "Desk", inactivity_timeout=timedelta(seconds=1), enable_lazy_state=True, **common
        )
        self.shelf = perdure.VirtualObject(
            "Shelf", inactivity_timeout=timedelta(seconds=1), enable_lazy_state=True, **common
        )
        self.flow = perdure.Workflow("Flow", inactivity_timeout=timedelta(seconds=1), **common)
        self.play = self._play_on(self.player)
        self._complete()
        self._play_on(self.hasty)
        self._play_on(self.fragile)
        self._play_on_desk()
        self._keep_ledger()
        self._look_at_shelf()
        self._run_flow()
        self.services: list[ServiceDefinition] = [
            self.player,
            self.hasty,
            self.fragile,
            self.ledger,
            self.desk,
            self.shelf,
            self.flow,
        ]
        self.manifest = app(self.services).manifest()

    def _play_on(self, service: perdure.Service) -> Any:
        @service.handler()
        async def play(ctx: perdure.Context, program: list) -> list:
            turn = Turn(ctx, self)
            return [turn.who, await turn.play(program)]

        return play

    def _complete(self) -> None:
        @self.player.handler()
        async def complete(ctx: perdure.Context, awakeables: list) -> None:
            for number, awakeable_id in enumerate(awakeables):
                ctx.resolve_awakeable(awakeable_id, f"value {number}")

        @self.player.handler()
        async def signal(ctx: perdure.Context, target: list) -> None:
            who, name = target
            for number in range(2):
                ctx.resolve_signal(who, name, f"signal {number}")

        self.complete = complete
        self.signal = signal

    def _play_on_desk(self) -> None:
        @self.desk.handler()
        async def play(ctx: perdure.ObjectContext, program: list) -> list:
            """A program in the middle of a change, which nobody else may see."""
            turn = Turn(ctx, self)
            found = await ctx.state_keys()
            if found:
                self.outside.history.accuse("one holder", f"{turn.who} found {found} on its desk")
            ctx.set("busy", turn.who)
            results = await turn.play(program)
            if await ctx.get("busy", type_hint=str) != turn.who:
                self.outside.history.accuse("one holder", f"{turn.who} lost its desk")
            if len(program) % 2:
                ctx.clear("busy")
                return [turn.who, results]
            ctx.set("scrap", len(program))
            ctx.clear_all()
            if await ctx.get("scrap", type_hint=int) is not None:
                self.outside.history.accuse("cleared", f"{turn.who} did not clear its desk")
            return [turn.who, results]

    def _keep_ledger(self) -> None:
        history = lambda: self.outside.history  # noqa: E731 - another one in each world

        @self.ledger.handler()
        async def append(ctx: perdure.ObjectContext, request: list) -> int:
            line, pause_ms, noting = request
            history().end_wait(line)
            count = await ctx.get("count", type_hint=int) or 0
            if pause_ms:
                await ctx.sleep(timedelta(milliseconds=pause_ms))
            if noting:
                who, here = ctx.request().id, HERE.get()
                await ctx.run_typed("note", lambda: self.outside.execute(who, "note", here))
            ctx.set(f"line {count}", line)
            ctx.set("count", count + 1)
            return count

        @self.ledger.handler(kind="shared")
        async def lines(ctx: perdure.ObjectSharedContext) -> list:
            count = await ctx.get("count", type_hint=int) or 0
            return [await ctx.get(f"line {place}", type_hint=str) for place in range(count)]

        self.append = append

    def _look_at_shelf(self) -> None:
        @self.shelf.handler()
        async def look(ctx: perdure.ObjectContext, pause_ms: int) -> str:
            """Nobody edits what a handler looks at: left and right stay the same, and alike."""
            left = await ctx.get("left", type_hint=str)
            await ctx.sleep(timedelta(milliseconds=pause_ms))
            right = await ctx.get("right", type_hint=str)
            if left != right:
                self.outside.history.accuse("one holder", f"edited from {left!r} to {right!r}")
            return right or ""

    def _run_flow(self) -> None:
        @self.flow.main()
        async def run(ctx: perdure.WorkflowContext, program: list) -> list:
            turn = Turn(ctx, self)
            ctx.set("phase", "waiting")
            answer = await ctx.promise("go", type_hint=str).value()
            turn.history.see(turn.who, "go", answer)
            results = await turn.play(program)
            again = await ctx.promise("go", type_hint=str).peek()
            if again != answer:
                turn.history.accuse("promise", f"{turn.who} was {answer!r}, then {again!r}")
            return [turn.who, results, answer]

        @self.flow.handler()
        async def answer(ctx: perdure.WorkflowSharedContext, text: str) -> bool:
            try:
                await ctx.promise("go", type_hint=str).resolve(text)
            except perdure.TerminalError:
                return False
            return True
