"""Histories of one invocation: lived through crashes and suspensions, and told again in replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from scripted_server import ANSWERED_BY, Server, service

from perdure.protocol.messages import VOID, Call, Completion, End, Signal, Sleep, Value
from perdure.sdk.context import Context

AWAKEABLES = (17, 18)
SECOND = timedelta(seconds=1)

Handler = Callable[[Context], Any]


def call(ctx: Context, number: int) -> Any:
    """Call a handler that gives back its input."""
    return ctx.generic_call("Other", "echo", str(number).encode())


async def settled(server: Server) -> None:
    """Wait until actions that run on the real loop, or in threads, have come to their end."""
    attempt = server.attempt
    turns_at_rest = 0
    for _ in range(10_000):
        under_way = attempt.runs.executing or attempt.loop.bridges
        turns_at_rest = 0 if under_way and not attempt.machine.closed else turns_at_rest + 1
        # An action that has just ended is told to the server in the next turn of the loop.
        if turns_at_rest == 3:
            return
        await asyncio.sleep(0.0001 if under_way else 0)
    raise AssertionError("the attempt does not come to rest")


def due(server: Server) -> list[tuple[str, Any]]:
    """List everything that the outside may do next."""
    answered = {e.completion_id for e in server.journal if isinstance(e, Completion)}
    choices: list[tuple[str, Any]] = [("acknowledge", 0)] if server.unacknowledged else []
    choices.extend(
        ("complete", entry)
        for entry in server.journal
        if isinstance(entry, Sleep | Call) and entry.result_completion_id not in answered
    )
    signals = [e.signal for e in server.journal if isinstance(e, Signal)]
    choices.extend(("signal", index) for index in AWAKEABLES if index not in signals)
    return choices


def do(server: Server, choice: tuple[str, Any]) -> None:
    """Let the outside do something."""
    what, about = choice
    match what:
        case "acknowledge":
            server.acknowledge()
        case "signal":
            server.signal(about, Value(b"7") if about != 1 else VOID)
        case "complete":
            result = Value(about.parameter) if isinstance(about, Call) else VOID
            server.notify(Completion(ANSWERED_BY[type(about)], about.result_completion_id, result))


class Fate:
    """What happens next: as drawn, and nothing but progress when all draws are used up."""

    def __init__(self, draws: list[int]) -> None:
        self.draws = draws

    def __call__(self, below: int) -> int:
        return self.draws.pop() % below if self.draws else below - 1


async def live(handler: Handler, version: int, draw: Fate, cancellations: int) -> Server:
    """Let an invocation run to its end, with crashes, suspensions and answers as they are drawn."""
    server = Server(service(handler), version=version, acknowledges=False).run()
    for _ in range(200):
        await settled(server)
        if server.ended:
            return server
        assert server.error is None, server.error.message
        event = draw(8)
        if server.suspended_on is not None or event == 0:
            # Whatever happens next happens while no attempt is open.
            if server.suspended_on is None:
                server.abandon()
            server.attempt = None
            server.unacknowledged.clear()
            choices = due(server)
            if choices and draw(2):
                do(server, choices[draw(len(choices))])
            server.run()
        elif event == 1:
            server.close_input()
        elif event == 2 and cancellations:
            cancellations -= 1
            server.signal(1)
        else:
            choices = due(server)
            assert choices, "the handler waits for nothing that can happen"
            do(server, choices[draw(len(choices))])
    raise AssertionError("the invocation does not end")


def replayed(server: Server, cut: int) -> Server:
    """Begin an attempt with the first entries of a journal."""
    again = Server(server.host, version=server.version, acknowledges=False)
    again.journal = server.journal[:cut]
    return again.run()


async def follow(again: Server, rest: list[Any]) -> None:
    """Give an attempt the rest of a journal, one notification at a time, when it is at rest."""
    for entry in rest:
        if not isinstance(entry, Completion | Signal):
            continue  # A command: the handler has to come to it by itself.
        await settled(again)
        handle = entry.completion_id if isinstance(entry, Completion) else None
        proposed = [each.result_completion_id for each in again.unacknowledged]
        if handle in proposed:
            again.acknowledge(proposed.index(handle))
        elif handle is None or entry not in again.journal:
            again.notify(entry)  # Invocation ids were answered when the call was issued.


def commands_of(server: Server) -> list[Any]:
    """Give the commands of a journal, without the times that attempts may differ in."""
    commands = [e for e in server.journal if not isinstance(e, Completion | Signal)]
    return [("sleep", e.result_completion_id) if isinstance(e, Sleep) else e for e in commands]


async def told_twice(handler: Handler, version: int, draw: Fate, cancellations: int) -> None:
    """Live a history, and see that neither all nor a part of it is told otherwise in replay."""
    server = await live(handler, version, draw, cancellations)
    # A replay of the whole journal emits nothing new.
    assert replayed(server, len(server.journal)).said == [End()]
    # Nor does a replay of a part of it, met by the rest one at a time, end otherwise.
    cut = draw(len(server.journal)) + 1
    again = replayed(server, cut)
    await follow(again, server.journal[cut:])
    await settled(again)
    assert again.error is None, again.error.message
    assert again.outcome == server.outcome
    assert commands_of(again) == commands_of(server)
