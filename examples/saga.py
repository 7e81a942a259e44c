"""Sagas: when a later step fails for good, the earlier ones are undone, whatever happens meanwhile.

A trip is a train, a room and a guide. Each booking puts its way back on a list before it is tried,
because a booking without an answer may have been made all the same. If one is refused, the list is
worked off from its end. The undoing is made of durable steps as well: a crash in the middle of it
only delays it.

    curl localhost:8080/Trips/book --json '{"traveller": "ada", "city": "Porto", "guide": "Rui"}'

Nobody guides through Atlantis, so train and room are given back:

    curl localhost:8080/Trips/book --json '{"traveller": "ada", "city": "Atlantis", "guide": "Rui"}'
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import perdure
from examples.outside import reach

trips = perdure.Service("Trips", description="A train, a room and a guide, or none of them.")

Undo = Callable[[], Awaitable[None]]


@dataclass
class Trip:
    """Who goes where, and with whom."""

    traveller: str
    city: str
    guide: str


@trips.handler()
async def book(ctx: perdure.Context, trip: Trip) -> list[str]:
    """Book everything, or nothing."""
    wanted = [f"train to {trip.city}", f"room in {trip.city}", f"guide {trip.guide} in {trip.city}"]
    undo: list[Undo] = []
    try:
        for what in wanted:
            # An id of our own making lets the step be undone before its answer is known.
            booking = str(ctx.uuid())
            undo.append(_undo(ctx, booking, what))
            await ctx.run_typed(f"book {what}", make_booking, booking=booking, what=what)
    except perdure.TerminalError:
        for step_back in reversed(undo):
            await step_back()
        raise
    return wanted


def _undo(ctx: perdure.Context, booking: str, what: str) -> Undo:
    async def step_back() -> None:
        await ctx.run_typed(f"cancel {what}", cancel_booking, booking=booking, what=what)

    return step_back


def make_booking(booking: str, what: str) -> None:
    """Book something under an id."""
    if what.startswith("guide") and what.endswith("Atlantis"):
        raise perdure.TerminalError(f"not to be had: {what}", status_code=409)
    reach(f"book {what} as {booking}")


def cancel_booking(booking: str, what: str) -> None:
    """Give back what was booked under an id; nothing happens if it never was."""
    reach(f"cancel {what} as {booking}")


app = perdure.app([trips])
