"""Handlers that wait together, and handlers that carry much."""

import time
from datetime import timedelta

import perdure
from perdure.serde import BytesSerde

bench = perdure.Service("Bench")
shapes = perdure.Service("Shapes")

#: When handlers that had slept went on, in seconds since 1970.
_awake: list[float] = []


@bench.handler()
async def empty(_ctx: perdure.Context) -> None:
    """Do nothing, to see whether calls are answered."""


@shapes.handler()
async def sleep_until(ctx: perdure.Context, at_s: float) -> None:
    """Sleep until a moment, in seconds since 1970."""
    # Not by a recorded time: what passes between a record and the sleep would be slept longer, and
    # nobody would wake at the same moment as others. On a replay the recorded sleep counts.
    await ctx.sleep(timedelta(seconds=max(0.0, at_s - time.time())))
    _awake.append(time.time())


@shapes.handler()
async def awake(_ctx: perdure.Context, since_s: float) -> list[float]:
    """Tell when handlers that had slept went on, since a moment."""
    return [at_s for at_s in _awake if at_s >= since_s]


@shapes.handler(
    accept="application/octet-stream",
    content_type="application/octet-stream",
    input_serde=BytesSerde(),
    output_serde=BytesSerde(),
)
async def echo(_ctx: perdure.Context, data: bytes) -> bytes:
    """Give back what came."""
    return data


app = perdure.app([bench, shapes])
