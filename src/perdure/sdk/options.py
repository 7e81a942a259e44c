"""Options of services and handlers: which there are, what they take, what they come to.

A handler's options override its service's, and those override the server's settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any, Final, Literal, TypedDict

from perdure.sdk.errors import DefinitionError
from perdure.sdk.serde import Serde

#: Makes a context manager that is entered around each attempt.
ContextManagerFactory = Callable[[], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class InvocationRetryPolicy:
    """How the server retries an invocation whose attempts fail. What is absent, it decides.

    Raises:
        DefinitionError: a value is of the wrong type or out of range.
    """

    initial_interval: timedelta | None = None
    """Wait before the first retry."""
    exponentiation_factor: float | None = None
    """What each wait is multiplied with to give the next; at least 1."""
    max_interval: timedelta | None = None
    """Longest wait."""
    max_attempts: int | None = None
    """How many attempts there are at most, the first one included."""
    on_max_attempts: Literal["pause", "kill"] | None = None
    """What happens after the last attempt: wait for an operator, or fail the invocation."""

    def __post_init__(self) -> None:
        where = "InvocationRetryPolicy"
        check_duration(where, "initial_interval", self.initial_interval)
        check_duration(where, "max_interval", self.max_interval)
        _check_type(where, "exponentiation_factor", self.exponentiation_factor, (int, float))
        _check_type(where, "max_attempts", self.max_attempts, int)
        if self.exponentiation_factor is not None and not 1 <= self.exponentiation_factor < inf:
            raise DefinitionError(f"{where}: exponentiation_factor must be a number of at least 1")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise DefinitionError(
                f"{where}: max_attempts counts the first attempt too, so it must be at least 1"
            )
        if self.on_max_attempts not in (None, "pause", "kill"):
            raise DefinitionError(
                f"{where}: on_max_attempts must be 'pause' or 'kill', not {self.on_max_attempts!r}"
            )


class TimeOptions(TypedDict, total=False):
    """Options of how long things may take, and what they leave."""

    inactivity_timeout: timedelta | None
    """How long an attempt may say nothing before it is asked to suspend."""
    abort_timeout: timedelta | None
    """How long an attempt that was asked to suspend may go on before it is cut."""
    journal_retention: timedelta | None
    """How long journals of completed invocations are kept."""


class IdempotencyOptions(TypedDict, total=False):
    """Options of what is called with an idempotency key."""

    idempotency_retention: timedelta | None
    """How long results are kept for requests with the same idempotency key."""


class RunOnceOptions(TypedDict, total=False):
    """Options of what runs once for each key."""

    workflow_retention: timedelta | None
    """How long the result, state and promises of a completed workflow are kept."""


class StateOptions(TypedDict, total=False):
    """Options of what has a key and state."""

    enable_lazy_state: bool | None
    """Whether state is fetched when asked for, rather than sent with each attempt."""
    state_preload: bool | list[str] | None
    """The same the other way round: True sends all state, False none. A list names the keys worth
    sending; servers of today cannot be told, so those are fetched when asked for, too."""


class ConductOptions(TypedDict, total=False):
    """Options of who may call, and of what surrounds attempts."""

    ingress_private: bool | None
    """Whether only other handlers may call this, not the ingress."""
    invocation_retry_policy: InvocationRetryPolicy | None
    """How failed attempts are retried."""
    invocation_context_managers: Sequence[ContextManagerFactory] | None
    """What is entered around each attempt, outermost first."""


class PayloadOptions(TypedDict, total=False):
    """Options of a handler's input and output."""

    accept: str | None
    """Content types taken: ``application/json`` if absent, and anything for bytes."""
    content_type: str | None
    """Content type given: ``application/json`` if absent, ``application/octet-stream`` for
    bytes."""
    input_serde: Serde[Any] | None
    """Reads the input; by type hint if absent."""
    output_serde: Serde[Any] | None
    """Writes the output; by type hint if absent."""
    metadata: dict[str, str] | None
    """Anything else, shown by the admin API."""


class TextOptions(TypedDict, total=False):
    """Options for people."""

    description: str | None
    """Text for people; the docstring if absent."""


# What decorators take by name they take by position as well, as the official SDK's do: the bases
# of these stand in the order of its parameters.


class ServiceOptions(TimeOptions, IdempotencyOptions, ConductOptions, total=False):
    """Options of a service."""


class KeyedOptions(TimeOptions, IdempotencyOptions, StateOptions, ConductOptions, total=False):
    """Options of a virtual object or workflow."""


class HandlerOptions(
    PayloadOptions, TimeOptions, IdempotencyOptions, ConductOptions, TextOptions, total=False
):
    """Options of a handler of a service."""


class KeyedHandlerOptions(
    PayloadOptions,
    TimeOptions,
    IdempotencyOptions,
    StateOptions,
    ConductOptions,
    TextOptions,
    total=False,
):
    """Options of a handler of a virtual object, or of a shared handler of a workflow."""


class MainOptions(
    PayloadOptions,
    TimeOptions,
    RunOnceOptions,
    StateOptions,
    ConductOptions,
    TextOptions,
    total=False,
):
    """Options of the main handler of a workflow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Options as checked; what was not given is None."""

    description: str | None = None
    metadata: Mapping[str, str] | None = None
    inactivity_timeout: timedelta | None = None
    abort_timeout: timedelta | None = None
    journal_retention: timedelta | None = None
    idempotency_retention: timedelta | None = None
    workflow_retention: timedelta | None = None
    enable_lazy_state: bool | None = None
    ingress_private: bool | None = None
    invocation_retry_policy: InvocationRetryPolicy | None = None
    invocation_context_managers: tuple[ContextManagerFactory, ...] = ()
    accept: str | None = None
    content_type: str | None = None
    input_serde: Serde[Any] | None = None
    output_serde: Serde[Any] | None = None


_DURATIONS: Final = (
    "inactivity_timeout",
    "abort_timeout",
    "journal_retention",
    "idempotency_retention",
    "workflow_retention",
)
_SIMPLE_TYPES: Final[Mapping[str, type]] = {
    "description": str,
    "enable_lazy_state": bool,
    "ingress_private": bool,
    "invocation_retry_policy": InvocationRetryPolicy,
    "accept": str,
    "content_type": str,
}


def by_name(
    where: str, positional: Sequence[Any], named: Mapping[str, Any], known: Sequence[str]
) -> dict[str, Any]:
    """Give all options by their names, those too that were given by position.

    Args:
        where: Whose options they are, as an error shall say it.
        positional: What was given by position.
        named: What was given by name.
        known: The names that there are, in the order of their positions.

    Raises:
        DefinitionError: there are more positions than options, or an option was given twice.
    """
    if len(positional) > len(known):
        raise DefinitionError(
            f"{where}: {len(positional)} options are given by position, and there are "
            f"{len(known)}: give them by name"
        )
    options = dict(zip(known, positional, strict=False))
    twice = sorted(options.keys() & named.keys())
    if twice:
        raise DefinitionError(
            f"{where}: {twice[0]} is given by position and by name: give it by name alone"
        )
    return {**options, **named}


def parse_options(where: str, given: Mapping[str, Any], known: Iterable[str]) -> Options:
    """Check options and give them as a value.

    Args:
        where: Whose options they are, as an error shall say it.
        given: The options by name.
        known: The names that there are.

    Raises:
        DefinitionError: an option is unknown, of the wrong type or out of range.
    """
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise DefinitionError(
            f"{where}: there is no option {unknown[0]!r}; there are {', '.join(sorted(known))}"
        )
    values = {name: value for name, value in given.items() if value is not None}
    for name in _DURATIONS:
        check_duration(where, name, values.get(name))
    for name, kind in _SIMPLE_TYPES.items():
        _check_type(where, name, values.get(name), kind)
    for name in ("input_serde", "output_serde"):
        _check_serde(where, name, values.get(name))
    _check_metadata(where, values.get("metadata"))
    _settle_lazy_state(where, values)
    managers = _context_managers(where, values.pop("invocation_context_managers", ()))
    return Options(invocation_context_managers=managers, **values)


def check_duration(where: str, name: str, value: Any) -> None:
    """Refuse what is not a duration.

    Raises:
        DefinitionError: the value is neither None nor a timedelta that is not negative.
    """
    if value is None:
        return
    if not isinstance(value, timedelta):
        raise DefinitionError(
            f"{where}: {name} must be a timedelta, not {type(value).__name__}: "
            "write timedelta(seconds=...)"
        )
    if value < timedelta(0):
        raise DefinitionError(f"{where}: {name} must not be negative")


def _check_type(where: str, name: str, value: Any, kind: type | tuple[type, ...]) -> None:
    # Of all types, only `bool` passes for another by accident.
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if value is None or fits:
        return
    kinds = kind if isinstance(kind, tuple) else (kind,)
    names = " or ".join(each.__name__ for each in kinds)
    raise DefinitionError(f"{where}: {name} must be of type {names}, not {type(value).__name__}")


def _check_serde(where: str, name: str, value: Any) -> None:
    if value is None or isinstance(value, Serde):
        return
    if isinstance(value, type) and issubclass(value, Serde):
        raise DefinitionError(
            f"{where}: {name} must be a serde, not its class: write {value.__name__}()"
        )
    raise DefinitionError(
        f"{where}: {name} must be a Serde, not {type(value).__name__}: derive it from perdure.Serde"
    )


def _check_metadata(where: str, value: Any) -> None:
    if value is None:
        return
    pairs = value.items() if isinstance(value, Mapping) else [(None, None)]
    if not all(isinstance(key, str) and isinstance(text, str) for key, text in pairs):
        raise DefinitionError(f"{where}: metadata must be a dict of strings to strings")


def _context_managers(where: str, given: Any) -> tuple[ContextManagerFactory, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise DefinitionError(
            f"{where}: invocation_context_managers is a list: write "
            f"invocation_context_managers=[...], not {type(given).__name__}"
        )
    for manager in given:
        # Context managers that generators make can be called, too: to decorate a function.
        if not callable(manager) or hasattr(type(manager), "__aenter__"):
            raise DefinitionError(
                f"{where}: invocation_context_managers takes functions that make a context "
                f"manager for each attempt, not {type(manager).__name__}"
            )
    return tuple(given)


def _settle_lazy_state(where: str, values: dict[str, Any]) -> None:
    preload = values.pop("state_preload", None)
    if preload is None:
        return
    if "enable_lazy_state" in values:
        raise DefinitionError(
            f"{where}: state_preload and enable_lazy_state say the same: give state_preload alone"
        )
    if not isinstance(preload, (bool, list)):
        raise DefinitionError(
            f"{where}: state_preload must be True, False or a list of keys, "
            f"not {type(preload).__name__}"
        )
    values["enable_lazy_state"] = preload is not True
