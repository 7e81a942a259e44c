"""Cron: a job that comes round every so often, for years, with nothing else to keep the time.

Each job is a virtual object. A round does its work and sends the next one to itself, delayed: the
message waits in the server, durably. A round is an invocation of its own, so no journal grows with
the years. The next time is counted from the planned time of this one, so the job does not drift;
however many rounds a stopped server has missed, one makes up for them.

    curl localhost:8080/Cron/backup/start --json '{"every_s": 2, "rounds_max": 5}'
    curl localhost:8080/Cron/backup/status
    curl localhost:8080/Cron/backup/stop -X POST
"""

from dataclasses import dataclass
from datetime import timedelta

import perdure
from examples.outside import reach

cron = perdure.VirtualObject("Cron", description="Jobs that come round.")


@dataclass
class Plan:
    """When a job comes round; times in seconds."""

    every_s: float
    #: After so many rounds it ends by itself; None goes on.
    rounds_max: int | None = None


@dataclass
class Round:
    """One round of a job."""

    number: int
    #: When it was to begin, in seconds since 1970.
    planned_s: float


@dataclass
class Status:
    """How far a job is."""

    active: bool
    rounds: int


@cron.handler()
async def start(ctx: perdure.ObjectContext, plan: Plan) -> None:
    """Begin to come round; a plan that is under way is replaced."""
    if plan.every_s <= 0:
        raise perdure.TerminalError("every_s must be more than 0 seconds", status_code=400)
    await stop(ctx)
    ctx.set("plan", plan)
    ctx.set("rounds", 0)
    now_s = await ctx.time()
    await _plan(ctx, Round(1, now_s + plan.every_s), now_s)


@cron.handler()
async def stop(ctx: perdure.ObjectContext) -> None:
    """Come round no more."""
    waiting = await ctx.get("next", type_hint=str)
    if waiting is not None:
        ctx.cancel_invocation(waiting)
        ctx.clear("next")


@cron.handler(kind="shared")
async def status(ctx: perdure.ObjectSharedContext) -> Status:
    """Tell how far it is."""
    waiting = await ctx.get("next", type_hint=str)
    return Status(waiting is not None, await ctx.get("rounds", type_hint=int) or 0)


@cron.handler(ingress_private=True)
async def come_round(ctx: perdure.ObjectContext, this: Round) -> None:
    """Do the work once, and plan the next round."""
    ctx.clear("next")
    await ctx.run_typed("work", reach, what=f"{ctx.key()}, round {this.number}")
    ctx.set("rounds", this.number)
    plan = await ctx.get("plan", type_hint=Plan)
    if plan is None or this.number == plan.rounds_max:
        return
    now_s = await ctx.time()
    missed = max(0, now_s - this.planned_s) // plan.every_s
    planned_s = this.planned_s + (1 + missed) * plan.every_s
    await _plan(ctx, Round(this.number + 1, planned_s), now_s)


async def _plan(ctx: perdure.ObjectContext, coming: Round, now_s: float) -> None:
    delay = timedelta(seconds=max(0, coming.planned_s - now_s))
    handle = ctx.object_send(come_round, key=ctx.key(), arg=coming, send_delay=delay)
    ctx.set("next", await handle.invocation_id())


app = perdure.app([cron])
