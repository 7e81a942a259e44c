"""The handlers, for every SDK that has the Restate API.

The environment variable ``BENCHMARK_SDK`` names the module to import: ``perdure`` or ``restate``.
"""

import os
from datetime import timedelta
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import perdure as sdk
else:
    sdk = import_module(os.environ["BENCHMARK_SDK"])

bench = sdk.Service("Bench")
counter = sdk.VirtualObject("Counter")


async def one() -> int:
    """Do what a step does, as cheaply as possible."""
    return 1


@bench.handler()
async def empty(_ctx: sdk.Context) -> None:
    """Do nothing: the cost of an invocation alone."""


@bench.handler()
async def steps(ctx: sdk.Context) -> int:
    """Run three durable steps in turn."""
    total = 0
    for name in ("first", "second", "third"):
        total += await ctx.run_typed(name, one)
    return total


@bench.handler()
async def nap(ctx: sdk.Context) -> None:
    """Sleep for longer than any benchmark runs."""
    await ctx.sleep(timedelta(days=30))


class FirstAttemptOver(Exception):  # noqa: N818 - it is not an error but the plan
    """Makes the server try again, so that the journal is replayed."""


class Journal:
    """Times writing a journal in the first attempt and replaying it in the second."""

    def __init__(self) -> None:
        self.write_ms: dict[str, float] = {}

    async def run(self, ctx: sdk.Context, entries: int) -> dict[str, float]:
        """Run so many steps, fail once, and tell what both attempts took in milliseconds."""
        started = perf_counter()
        for _ in range(entries):
            await ctx.run_typed("step", one)
        took_ms = (perf_counter() - started) * 1000
        request_id = ctx.request().id
        write_ms = self.write_ms.pop(request_id, None)
        if write_ms is None:
            self.write_ms[request_id] = took_ms
            raise FirstAttemptOver
        return {"write_ms": write_ms, "replay_ms": took_ms}


long_journals = Journal()


@bench.handler()
async def journal(ctx: sdk.Context, entries: int) -> dict[str, float]:
    """Write a journal of so many steps, then replay it."""
    return await long_journals.run(ctx, entries)


@counter.handler()
async def add(ctx: sdk.ObjectContext, amount: int) -> int:
    """Add to the counter of this key and give its new value."""
    value = (await ctx.get("value", type_hint=int) or 0) + amount
    ctx.set("value", value)
    return value


app = sdk.app([bench, counter])
