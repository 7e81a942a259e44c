"""Steps of a handler: side effects that are executed until their result is safe, and sleeps."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from math import inf
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

from perdure.sdk.context_base import ContextBase, chosen
from perdure.sdk.durations import milliseconds
from perdure.sdk.errors import ContextMisuseError, DefinitionError
from perdure.sdk.futures import DurableFuture, SleepFuture
from perdure.sdk.machine.retries import RunRetries
from perdure.sdk.options import check_duration
from perdure.sdk.running import Action
from perdure.sdk.serde import DefaultSerde, Serde, serde_for

T = TypeVar("T")
P = ParamSpec("P")

RunAction = Callable[..., Coroutine[Any, Any, T]] | Callable[..., T]


@dataclass
class RunOptions(Generic[T]):
    """How a run's result is written, and how its failures are retried.

    Without any of the retry options the invocation's own policy goes for its runs as well. With
    one of them the others have the defaults that stand here. When a limit is reached, the failure
    is final: awaiting the run raises a :class:`TerminalError` with its message.
    """

    serde: Serde[T] = field(default_factory=DefaultSerde)
    """How to write the result; by its type if absent."""
    type_hint: type[T] | None = None
    """Type of the result; the action's own return hint if absent."""
    max_attempts: int | None = None
    """How often to try, the first time included."""
    max_duration: timedelta | None = None
    """How long to try."""
    initial_retry_interval: timedelta | None = None
    """Wait before the first retry: 50 milliseconds."""
    max_retry_interval: timedelta | None = None
    """Longest wait: 10 seconds."""
    retry_interval_factor: float | None = None
    """What each wait is multiplied with to give the next: 2."""
    max_retry_duration: timedelta | None = None
    """Former name of ``max_duration``."""

    def retries(self) -> RunRetries | None:
        """Give the retry policy that the options describe; None if they describe none.

        Raises:
            DefinitionError: an option is of the wrong type or out of range.
        """
        self._check()
        duration = self.max_duration if self.max_duration is not None else self.max_retry_duration
        given: dict[str, Any] = {
            "max_attempts": self.max_attempts,
            "max_duration_ms": _optional_ms(duration),
            "initial_interval_ms": _optional_ms(self.initial_retry_interval),
            "max_interval_ms": _optional_ms(self.max_retry_interval),
            "factor": self.retry_interval_factor,
        }
        given = {name: value for name, value in given.items() if value is not None}
        return RunRetries(**given) if given else None

    def _check(self) -> None:
        for name in _DURATIONS:
            check_duration("RunOptions", name, getattr(self, name))
        attempts, factor = self.max_attempts, self.retry_interval_factor
        if attempts is not None and not (isinstance(attempts, int) and attempts >= 1):
            raise DefinitionError(
                "RunOptions: max_attempts counts the first attempt too: write a whole number of "
                f"at least 1, not {attempts!r}"
            )
        if factor is not None and not (isinstance(factor, (int, float)) and 1 <= factor < inf):
            raise DefinitionError(
                f"RunOptions: retry_interval_factor is a number of at least 1, not {factor!r}"
            )


_DURATIONS: Final = (
    "max_duration",
    "initial_retry_interval",
    "max_retry_interval",
    "max_retry_duration",
)
_NO_OPTIONS: Final[RunOptions[Any]] = RunOptions()


class Steps(ContextBase):
    """Runs, sleeps and the time."""

    __slots__ = ()

    @overload
    def run_typed(
        self,
        name: str,
        action: Callable[P, Coroutine[Any, Any, T]],
        options: RunOptions[T] = ...,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> DurableFuture[T]: ...

    @overload
    def run_typed(
        self,
        name: str,
        action: Callable[P, T],
        options: RunOptions[T] = ...,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> DurableFuture[T]: ...

    def run_typed(
        self,
        name: str,
        action: Callable[..., Any],
        options: RunOptions[Any] = _NO_OPTIONS,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> DurableFuture[Any]:
        """Execute a side effect until its result is in the journal; later attempts read it there.

        Ordinary functions are executed in a thread. The action starts when the handler waits, for
        this run or anything else, but not once it was cancelled where it waited for this; several
        start together. It may be executed more than once if the process dies, so it should be
        idempotent. It must not use the context.

        Args:
            name: Name of the step, the same in every attempt.
            action: The function.
            options: How to write the result and retry failures.
            *args: Arguments of the function.
            **kwargs: Further arguments of the function.

        Raises:
            ContextMisuseError: there is no function, or an argument of its stands where the
                options belong.
        """
        if not isinstance(options, RunOptions):
            raise ContextMisuseError(
                f"The run {name!r} got {type(options).__name__} where its options belong: give "
                "arguments of the function by name, `ctx.run_typed(name, function, "
                "argument=value)`, or behind `RunOptions()`"
            )
        function = partial(action, *args, **kwargs) if args or kwargs else action
        if options is _NO_OPTIONS:
            return self._run(name, function, serde_for(self._hints.of(action)), None)
        hint = options.type_hint if options.type_hint is not None else self._hints.of(action)
        return self._run(name, function, chosen(options.serde, hint), options.retries())

    @overload
    def run(
        self,
        name: str,
        action: Callable[..., Coroutine[Any, Any, T]],
        serde: Serde[T] | None = ...,
        max_attempts: int | None = ...,
        max_retry_duration: timedelta | None = ...,
        type_hint: type[T] | None = ...,
        args: tuple[Any, ...] | None = ...,
    ) -> DurableFuture[T]: ...

    @overload
    def run(
        self,
        name: str,
        action: Callable[..., T],
        serde: Serde[T] | None = ...,
        max_attempts: int | None = ...,
        max_retry_duration: timedelta | None = ...,
        type_hint: type[T] | None = ...,
        args: tuple[Any, ...] | None = ...,
    ) -> DurableFuture[T]: ...

    def run(
        self,
        name: str,
        action: Callable[..., Any],
        serde: Serde[Any] | None = None,
        max_attempts: int | None = None,
        max_retry_duration: timedelta | None = None,
        type_hint: Any = None,
        args: tuple[Any, ...] | None = None,
    ) -> DurableFuture[Any]:
        """Execute a side effect, as :meth:`run_typed` does, which checks the arguments' types.

        Args:
            name: Name of the step, the same in every attempt.
            action: The function.
            serde: How to write the result; by its type if absent.
            max_attempts: How often to try, the first time included.
            max_retry_duration: How long to try.
            type_hint: Type of the result; the action's own return hint if absent.
            args: Arguments of the function.
        """
        function = partial(action, *args) if args else action
        retries = None
        if max_attempts is not None or max_retry_duration is not None:
            options: RunOptions[Any] = RunOptions(
                max_attempts=max_attempts, max_duration=max_retry_duration
            )
            retries = options.retries()
        hint = type_hint if type_hint is not None else self._hints.of(action)
        return self._run(name, function, chosen(serde, hint), retries)

    def time(self) -> DurableFuture[float]:
        """Give the seconds since 1970, the same in every attempt."""
        return self._run("timestamp", time.time, serde_for(float), None, quick=True)

    def sleep(self, delta: timedelta, name: str | None = None) -> SleepFuture:
        """Wait for some time; a process that dies meanwhile makes it no longer.

        Args:
            delta: How long.
            name: Name of the journal entry.
        """
        attempt = self._attempt
        machine = attempt.enter()
        wake_up_time = attempt.now_ms() + max(0, milliseconds(delta))
        handle = machine.sleep(wake_up_time, name or "")
        return SleepFuture(attempt.waits, handle, delta.total_seconds())

    def _run(
        self,
        name: str,
        function: Callable[[], Any],
        serde: Serde[Any],
        retries: RunRetries | None,
        *,
        quick: bool = False,
    ) -> DurableFuture[Any]:
        if not callable(function):
            raise _not_callable(name, function)
        if not isinstance(name, str):
            raise ContextMisuseError(
                f"A run has a name, not {name!r}: write `ctx.run_typed('name', function)`"
            )
        attempt = self._attempt
        handle = attempt.enter().run(name)
        attempt.runs.issue(handle, name, Action(function, serde.serialize, retries, quick))
        return DurableFuture(attempt.waits, handle, serde.deserialize)


def _not_callable(name: str, given: Any) -> ContextMisuseError:
    if inspect.iscoroutine(given):
        given.close()  # It will never be awaited, and need not be warned of a second time.
    return ContextMisuseError(
        f"The run {name!r} needs a function, and got {type(given).__name__}: do not call it, "
        "write `ctx.run_typed(name, function, argument=value)`"
    )


def _optional_ms(duration: timedelta | None) -> int | None:
    return None if duration is None else milliseconds(duration)
