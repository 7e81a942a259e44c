"""Runs: executing the actions of ``ctx.run`` and proposing what they come to.

An action runs on the process's real loop, in a task of its own, or in a thread if it is an
ordinary function; so it may do anything but use the context. It starts when the handler can go no
further and no result is left to hand over: only then is it certain that no earlier attempt has
executed it with success. All actions that are due start together, in the order of their runs. What
they come to is only proposed: the handler sees it when the server has it safe, in the order in
which the journal has it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from time import monotonic
from typing import Any, Final

from msgspec import Struct

from perdure.protocol.messages import Outcome
from perdure.sdk.eager import begin
from perdure.sdk.errors import (
    ContextMisuseError,
    RetryableError,
    TerminalError,
)
from perdure.sdk.exits import refuse
from perdure.sdk.failures import told
from perdure.sdk.machine.handles import Handle
from perdure.sdk.machine.retries import RunFailure, RunRetries
from perdure.sdk.machine.syscalls import Machine
from perdure.sdk.outcomes import failure_of, terminal_of, value_of

#: What ends more than an action: its task, or the process.
_PASSED_ON: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)


class Action(Struct, frozen=True, gc=False):
    """What a run executes, and how its result is written and its failures are retried."""

    function: Callable[[], Any]
    serialize: Callable[[Any], bytes]
    retries: RunRetries | None = None
    #: Whether the function is known to be quick, so that it needs no thread.
    quick: bool = False


class Due(Struct, frozen=True):
    """An action that waits for its start, with the context variables of its handler."""

    name: str
    action: Action
    context: Context


class Runs:
    """The runs of one attempt.

    Args:
        real: The loop to execute actions on.
        machine: Takes the proposals and the failures.
        outside: The context variables with which to tell that an action has ended.
    """

    __slots__ = ("_machine", "_outside", "_real", "_starting", "due", "executing", "fresh")

    def __init__(self, real: asyncio.AbstractEventLoop, machine: Machine, outside: Context) -> None:
        self._real = real
        self._outside = outside
        self._machine = machine
        #: Actions that wait for their start, by the handles of their runs.
        self.due: dict[int, Due] = {}
        #: Actions that are under way, by the handles of their runs.
        self.executing: dict[int, asyncio.Task[None] | None] = {}
        #: Runs that the handler issued since it last waited for anything: handles and names.
        self.fresh: list[tuple[int, str]] = []
        self._starting = False

    def issue(self, handle: int, name: str, action: Action) -> None:
        """Take note of a run; its action starts when the handler waits."""
        self.due[handle] = Due(name, action, copy_context())
        self.fresh.append((handle, name))

    def settled(self, handle: Handle) -> None:
        """Learn that a run's result is known, so that its action need not run."""
        if self.due and isinstance(handle, int):
            self.due.pop(handle, None)

    def check_all_awaited(self, was_awaited: Callable[[Handle], bool]) -> None:
        """Make sure that nothing was issued by mistake that will never be executed.

        What was awaited and given up, by a task that lost a race at once, is no mistake.

        Args:
            was_awaited: Tells whether somebody awaited a run, if only for a while.

        Raises:
            ContextMisuseError: a run was issued, and the handler ended without waiting.
        """
        forgotten = [name for handle, name in self.fresh if not was_awaited(handle)]
        if forgotten:
            names = ", ".join(map(repr, forgotten))
            raise ContextMisuseError(
                f"The handler ended without awaiting what it runs ({names}), so it was never "
                "executed: write `await ctx.run_typed(...)`"
            )

    def start_due(self, ended: Callable[[], None], given_up: Callable[[Handle], bool]) -> None:
        """Start all actions that wait for it, but those that the handler waits for no more.

        Args:
            ended: Called from a callback of the real loop when one has ended later on.
            given_up: Tells whether a run was awaited, and is not now: nothing is to happen then
                that a cancelled handler is about to undo. It may be awaited again.
        """
        due, self.due = self.due, {}
        self._starting = True
        try:
            for handle, run in due.items():
                if self._machine.closed:
                    break  # An action has failed at once, and the attempt with it.
                if given_up(handle):
                    self.due[handle] = run
                    continue
                self.executing[handle] = None
                task = begin(self._execute(handle, run.action, ended), self._real, run.context)
                if handle in self.executing:
                    self.executing[handle] = task
        finally:
            self._starting = False

    def cancel(self) -> None:
        """Stop what is under way: the attempt is over."""
        self.due.clear()
        executing, self.executing = self.executing, {}
        for task in executing.values():
            if task is not None:
                task.cancel()

    async def _execute(self, handle: int, action: Action, ended: Callable[[], None]) -> None:
        began = monotonic()
        try:
            outcome = await _outcome(action, self._real)
        except BaseException as error:
            # Whatever ended the action, the server is told and retries: a run without an outcome
            # would be waited for without end.
            self._fail(handle, action, began, error)
            if isinstance(error, _PASSED_ON):
                raise
        else:
            self._machine.propose(handle, outcome)
        finally:
            under_way = self.executing.pop(handle, self) is not self
            if under_way and not self._starting:
                # A callback of its own, since a task must not run another loop's tasks.
                self._real.call_soon(ended, context=self._outside)

    def _fail(self, handle: int, action: Action, began: float, error: BaseException) -> None:
        elapsed_ms = int((monotonic() - began) * 1000)
        said = told(error, error if isinstance(error, RetryableError) else None)
        failure = RunFailure(
            said.code, said.message, said.stacktrace, elapsed_ms, said.retry_after_ms
        )
        self._machine.fail_run(handle, failure, action.retries)


async def _outcome(action: Action, real: asyncio.AbstractEventLoop) -> Outcome:
    function = action.function
    try:
        if _is_async(function):
            value = await function()
        elif action.quick:
            value = function()
        else:
            value = await real.run_in_executor(None, copy_context().run, _called, function)
            if inspect.isawaitable(value):
                value = await value
        return value_of(action.serialize, value)
    except TerminalError as error:
        return failure_of(error)
    except BaseExceptionGroup as error:
        terminal = terminal_of(error)
        if terminal is None:
            raise
        return failure_of(terminal)
    except SystemExit as error:
        refuse(error)


def _called(function: Callable[[], Any]) -> Any:
    """Call an ordinary function in its thread.

    Raises:
        RuntimeError: it has raised ``StopIteration``, which before Python 3.12 no future takes.
        BaseException: whatever else it raises.
    """
    try:
        return function()
    except StopIteration as error:
        raise RuntimeError("the action raised StopIteration, as next() does at an end") from error


def _is_async(function: Callable[[], Any]) -> bool:
    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:
        return True  # The usual case, told without the many questions that inspect asks.
    call = getattr(function, "__call__", None)  # noqa: B004 - the method of a callable object
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
