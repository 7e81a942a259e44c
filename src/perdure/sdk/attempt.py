"""One attempt at running a handler: the machine, the loop and the handler, put together.

The server hands messages in; the handler goes as far as it can; results are handed to it one at a
time; what it has to say goes out. All of it happens synchronously within :meth:`Attempt.receive`,
or within a callback of the real loop when something outside has come to an end.

Whenever the handler can go no further, in this order:

1. A request to cancel is passed on to the child calls and raised at whatever the handler awaits.
2. The next notification is handed over, in journal order, and the handler goes on. As long as a
   request to cancel lacks the id of a child call, what came after it is held back.
3. In replay: commands are left that nothing will ever lead to. The handler does not match.
4. Actions of runs that have no result start, unless a request to cancel waits to be passed on.
5. If actions or foreign futures are under way, the attempt waits for them.
6. If the server's input is closed, the attempt suspends until what it waits for has happened.
7. Otherwise it waits for input, and tells the server for what (version 7).

Where a task is about to wait for just the result that is next, and nothing else is to be done, it
has that at once (:meth:`Attempt.hand_over_to`): in the same order, and for less in a replay.
"""

from __future__ import annotations

import asyncio
from asyncio.events import _get_running_loop
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from math import ceil
from typing import Any, Final

from perdure.protocol.messages import Future, Message, Result
from perdure.protocol.session import Sink
from perdure.sdk.durations import LONGEST_MS
from perdure.sdk.errors import (
    ContextMisuseError,
    SdkInternalBaseException,
    TerminalError,
)
from perdure.sdk.finished import Finished
from perdure.sdk.futures import DurableFuture, Waits
from perdure.sdk.loop import AttemptLoop
from perdure.sdk.machine.handles import CANCEL, Handle
from perdure.sdk.machine.states import Ending
from perdure.sdk.machine.syscalls import Machine
from perdure.sdk.refusals import Refusals
from perdure.sdk.running import Runs
from perdure.sdk.timers import DurableTimer

_CANCELLED_CODE: Final = 409
#: Members of an enum are slow to reach before Python 3.12: looked up once for all attempts.
_ENDED: Final = Ending.ENDED
#: The server may know what an open attempt waits for, but need not. Telling it again after each
#: of very many results would take the square of their number.
ANNOUNCED_MAX: Final = 100


class Attempt:
    """The SDK's half of one attempt; see :class:`perdure.protocol.session.Session`.

    Args:
        version: The service protocol's version.
        handle: Runs the handler, once the journal is there.
        sink: Takes the messages for the server.
        now_ms: Gives the milliseconds since 1970.
        headers: Headers with which the server has opened the attempt.
    """

    __slots__ = (
        "_called_within",
        "_cancels_due",
        "_finished",
        "_handle",
        "_held",
        "_over",
        "_refusals",
        "_runs",
        "_sink",
        "headers",
        "loop",
        "machine",
        "now_ms",
        "waits",
    )

    def __init__(
        self,
        version: int,
        handle: Callable[[Attempt], Coroutine[object, object, None]],
        sink: Sink,
        now_ms: Callable[[], int],
        headers: Mapping[str, str],
    ) -> None:
        self.machine = Machine(version)
        self.loop = AttemptLoop(asyncio.get_running_loop(), self)
        self.waits = Waits(self.loop, self.machine.arrivals)
        self.now_ms = now_ms
        self.headers = headers
        self._handle: Callable[[Attempt], Coroutine[object, object, None]] | None = handle
        self._sink = sink
        self._called_within = False
        self._cancels_due = 0
        self._over = False
        self._refusals = Refusals(self.machine)
        # Made when there is need of them, which most attempts never have.
        #: Results that wait until a request to cancel, which came before them, is passed on.
        self._held: deque[tuple[Handle, Result]] | None = None
        self._runs: Runs | None = None
        self._finished: Finished | None = None

    # ------------------------------------------------------------------ for the server

    def receive(self, messages: Sequence[Message]) -> None:
        """Take messages from the server, and go on as far as they allow."""
        self.machine.receive(messages)
        self.progress()

    def close_input(self) -> None:
        """Learn that nothing more will come, and suspend unless there is something to do."""
        self.machine.close_input()
        self.progress()

    def abort(self) -> None:
        """End the attempt at once and say nothing more."""
        self.machine.abort()
        self.progress()

    # ------------------------------------------------------------------ for the context

    def enter(self) -> Machine:
        """Give the machine to a call of the handler.

        Raises:
            ContextMisuseError: it is not the handler that calls.
            SdkInternalBaseException: the attempt is over.
        """
        if _get_running_loop() is not self.loop and not self._refusals.in_vain:
            raise ContextMisuseError(
                "The context is used outside of its handler: inside of an action that ctx.run "
                "executes, in another thread, or after the end. Use it in the handler, before or "
                "after ctx.run, and give the action the values it needs as arguments"
            )
        if self.machine.closed:
            return self._refusals.answer()
        return self.machine

    @property
    def runs(self) -> Runs:
        """The runs of this attempt."""
        if self._runs is None:
            self._runs = Runs(self.loop.real, self.machine, self.loop.outside)
        return self._runs

    def check_all_awaited(self) -> None:
        """Make sure, at the handler's end, that nothing was begun that will never be executed.

        Raises:
            ContextMisuseError: a run was issued, and the handler ended without waiting.
        """
        if self._runs is not None:
            self._runs.check_all_awaited(self.waits.was_awaited)

    @property
    def finished(self) -> Finished:
        """The moment when this attempt ends."""
        if self._finished is None:
            self._finished = Finished()
            if self._over:
                self._finished.set()
        return self._finished

    # ------------------------------------------------------------------ going on

    def progress(self) -> None:
        """Go on until the handler has ended, or all of it waits for the outside."""
        loop = self.loop
        if loop.attended:
            self._called_within = True  # The call that is under way goes on with it.
            return
        loop.attend()
        try:
            while self._step():
                pass
        finally:
            loop.leave()

    def _step(self) -> bool:
        """Let the handler go as far as what has come leads it; tell whether to go on."""
        self._called_within = False
        machine = self.machine
        if self._handle is not None and machine.ready and not machine.closed:
            handle, self._handle = self._handle, None
            self.loop.start(handle(self), machine.start.id)
        if not self._run() or not machine.ready:
            return False
        if machine.closed:
            self._close()
            return False
        return self._wait()

    def _run(self) -> bool:
        """Run the handler on its loop, result by result; tell whether it can go no further.

        Results are read there as well, be it that they come one by one or with the journal.
        """
        if self.loop.idle and not (self._cancels_due or self._held or self.machine.arrivals):
            return True  # To enter the loop takes as long as what is done there.
        return self.loop.run_ready(self._hand_over)

    def _hand_over(self) -> bool:
        """Tell the handler one thing, now that it can go no further; tell whether there was any."""
        if self.machine.closed or not self.machine.ready:
            return False
        if self._runs is not None:
            self._runs.fresh.clear()  # The handler waits: what it issued will be executed.
        cancelled = self._cancels_due > 0 and self._cancel()
        return cancelled or self._deliver()

    def hand_over_to(self, wanted: DurableFuture[Any], waiter: asyncio.Future[None]) -> bool:
        """Hand over what a task is about to wait for; see :class:`.loop.Owner`."""
        if self._cancels_due or self._held or not wanted.is_awaited_by_one(waiter):
            return False
        handle = wanted.handle
        result = self.machine.deliver_to(handle)
        if result is None:
            return False
        if self._runs is not None:
            self._runs.fresh.clear()
            self._runs.settled(handle)
        self.waits.settle(handle, result)
        return True

    def _deliver(self) -> bool:
        """Hand over the next result; tell whether there was one."""
        held_up = self._cancels_due > 0 and self._holds_up()
        delivery = self._held.popleft() if self._held and not held_up else self._arrived()
        if delivery is None:
            return False
        if held_up:  # What came later than the request to cancel must not be told before it.
            if self._held is None:
                self._held = deque()
            self._held.append(delivery)
            return True
        handle, result = delivery
        if handle == CANCEL:
            self._cancels_due += 1
        else:
            if self._runs is not None:
                self._runs.settled(handle)
            self.waits.settle(handle, result)
        return True

    def _holds_up(self) -> bool:
        """Tell whether a request to cancel is to be told to the handler, and cannot be yet."""
        return bool(self._unsent_cancellation) and self.waits.any_awaited(but_timeouts=True)

    def _arrived(self) -> tuple[Handle, Result] | None:
        """Take the next result from the machine."""
        delivery = self.machine.deliver()
        if delivery is None and not self.machine.processing and not self._awaits_outside():
            return self.machine.deliver(ahead=True)
        return delivery

    def _awaits_outside(self) -> bool:
        """Tell whether a replay goes on by what is in no journal: a thread, a connection.

        It must not run ahead of that: what stands behind commands of the journal, such as the end
        of a timeout that was not needed, is seen after them.
        """
        if self.loop.bridges or (self.loop.reached_out and not self.machine.input_closed):
            return True
        return not self.waits.any_awaited(but_timeouts=True)

    def _cancel(self) -> bool:
        """Cancel the handler where it waits, if it does; tell whether that has happened."""
        if self._unsent_cancellation or not self.waits.interrupt(_cancelled):
            return False
        self._cancels_due -= 1
        # If the journal says otherwise, the machine has told so and closed.
        with suppress(SdkInternalBaseException):
            self.machine.cancel_children()
        return True

    def _wait(self) -> bool:
        """Do what is left when the handler can go no further; tell whether to go on."""
        machine, runs = self.machine, self._runs
        if runs is not None and runs.due and machine.processing and not self._unsent_cancellation:
            runs.start_due(self.progress, self.waits.is_given_up)
        executing = runs is not None and runs.executing
        if not (machine.closed or executing or self.loop.bridges):
            self._wait_for_server()
        self._flush()
        return machine.closed or self._called_within

    def _wait_for_server(self) -> None:
        machine = self.machine
        if not machine.processing:
            if not self._awaits_outside():
                machine.get_stuck()
        elif machine.has_proposals and not machine.input_closed:
            pass  # Once it is acknowledged the handler goes on: until then, nothing to tell.
        elif not self.waits.any_awaited(but_timeouts=self.loop.reached_out):
            pass  # Nothing that the server could tell would make the handler go on.
        elif machine.input_closed:
            machine.suspend(self._awaited())
        elif self.waits.watched <= ANNOUNCED_MAX:
            machine.announce(self._awaited())

    @property
    def _unsent_cancellation(self) -> Collection[Handle]:
        """What has to come before a request to cancel can be passed on: ids of child calls."""
        return self.machine.unknown_children() if self._cancels_due else ()

    def _awaited(self) -> Future:
        return self.waits.awaited(self._unsent_cancellation)

    def _flush(self) -> None:
        output = self.machine.take_output()
        if output:
            self._sink(output)

    def _close(self) -> None:
        """Say the last words, and end what is still under way."""
        if self._over:
            return
        machine = self.machine
        self._over = True
        self._flush()
        self.waits.close(self._refusals)
        if self._runs is not None:
            self._runs.cancel()
        self.loop.shut_down(None if machine.ending is _ENDED else machine.over)
        if self._finished is not None:
            self._finished.set()

    def arm(self, timer: DurableTimer, seconds: float) -> None:
        """Make a timer durable."""
        wake_up_time = self.now_ms() + ceil(min(seconds * 1000, LONGEST_MS))
        machine = self._refusals.answer() if self.machine.closed else self.machine
        handle = machine.sleep(wake_up_time)
        self.waits.add(handle, timer)
        self.waits.note(handle, timer)


def _cancelled() -> TerminalError:
    return TerminalError("cancelled", _CANCELLED_CODE)
