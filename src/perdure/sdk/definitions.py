"""Services and their handlers as values: what discovery announces and what attempts run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import wraps
from re import Pattern
from typing import Any, Final, TypeVar

from perdure.protocol.manifest import HANDLER_NAME, SERVICE_NAME, ServiceType
from perdure.sdk.errors import DefinitionError
from perdure.sdk.options import ContextManagerFactory, Options
from perdure.sdk.serde import DefaultSerde, OrDefault, Serde, serde_for
from perdure.sdk.signatures import MISSING, HandlerSignature, read_signature

I = TypeVar("I")  # noqa: E741 - input, as the official SDK calls it
O = TypeVar("O")  # noqa: E741 - output, likewise
F = TypeVar("F", bound=Callable[..., Any])

#: The function of a handler, with or without an input.
HandlerType = Callable[[Any, I], Awaitable[O]] | Callable[[Any], Awaitable[O]]

_MARK: Final = "__perdure_handler__"


class HandlerKind(Enum):
    """What a handler belongs to, and how it shares its key with others."""

    SERVICE = auto()
    EXCLUSIVE = auto()
    SHARED = auto()
    WORKFLOW = auto()
    WORKFLOW_SHARED = auto()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Handler:
    """One handler of a service."""

    service: str
    name: str
    kind: HandlerKind
    fn: Callable[..., Awaitable[Any]]
    """The function: takes the context and, if :attr:`takes_input`, the input."""
    takes_input: bool
    accept: str
    """Content types taken."""
    content_type: str
    """Content type given."""
    input_serde: Serde[Any]
    output_serde: Serde[Any]
    signature: HandlerSignature
    options: Options
    context_managers: tuple[ContextManagerFactory, ...] = ()
    """What is entered around each attempt, outermost first; the service's before its own."""


class ServiceDefinition:
    """A service, virtual object or workflow: a name, options, and the handlers added to it.

    Args:
        name: The name.
        service_type: Which of the three it is.
        options: Its options.

    Raises:
        DefinitionError: the name is not one.
    """

    def __init__(self, name: str, service_type: ServiceType, options: Options) -> None:
        check_service_name(name)
        self.name = name
        self.service_type = service_type
        self.options = options
        self.handlers: dict[str, Handler] = {}

    def add(self, fn: F, kind: HandlerKind, name: str | None, options: Options) -> F:
        """Add a function as a handler; give a function that calls it and stands for the handler.

        Raises:
            DefinitionError: the function cannot be a handler, or the name is taken or not one.
        """
        handler = self._handler(fn, kind, name or self._own_name(fn), options)
        if handler.name in self.handlers:
            raise DefinitionError(
                f"{self.name} has a handler {handler.name!r} already: give one of them another name"
            )
        self.handlers[handler.name] = handler
        return _standing_for(handler, fn)

    def _own_name(self, fn: Any) -> str:
        if not callable(fn):
            raise DefinitionError(
                f"a handler of {self.name!r} is a function, not {type(fn).__name__}"
            )
        name: str | None = getattr(fn, "__name__", None)
        if name is None:
            raise DefinitionError(
                f"a handler of {self.name!r} has no name of its own, being of type "
                f'{type(fn).__name__}: give it one, `handler(name="...")`'
            )
        return name

    def _handler(self, fn: Any, kind: HandlerKind, name: str, options: Options) -> Handler:
        where = f"handler {name!r} of {self.name!r}"
        _check_name(where, name, HANDLER_NAME, "letters, digits and underscores")
        signature = read_signature(where, fn)
        return Handler(
            service=self.name,
            name=name,
            kind=kind,
            fn=fn,
            takes_input=signature.takes_input,
            accept=options.accept or _media_type(signature.input_hint, options.input_serde, "*/*"),
            content_type=options.content_type
            or _media_type(signature.output_hint, options.output_serde, "application/octet-stream"),
            input_serde=_input_serde(signature, options.input_serde),
            output_serde=_by_hint(signature.output_hint, options.output_serde),
            signature=signature,
            options=options,
            context_managers=(
                *self.options.invocation_context_managers,
                *options.invocation_context_managers,
            ),
        )


def handler_from_callable(fn: Callable[..., Any]) -> Handler:
    """Give the handler that a decorated function stands for.

    Raises:
        DefinitionError: it stands for none.
    """
    handler = getattr(fn, _MARK, None)
    if isinstance(handler, Handler):
        return handler
    raise DefinitionError(
        f"{getattr(fn, '__qualname__', fn)!r} is not a handler: decorate it with "
        "`@service.handler()`, or name service and handler in `generic_call`"
    )


def check_service_name(name: str) -> None:
    """Refuse what cannot be the name of a service.

    Raises:
        DefinitionError: it is malformed or reserved.
    """
    where = f"service {name!r}"
    _check_name(where, name, SERVICE_NAME, "letters, digits, underscores, dots and dashes")
    if name.lower().startswith("restate") or name.lower() == "openapi":
        raise DefinitionError(
            f"{where}: names that begin with 'restate', and 'openapi', are reserved: "
            "choose another one"
        )


def _check_name(where: str, name: Any, pattern: Pattern[str], made_of: str) -> None:
    if not isinstance(name, str):
        raise DefinitionError(f"{where}: a name is a string, not {type(name).__name__}")
    if not pattern.fullmatch(name):
        raise DefinitionError(
            f"{where}: a name is made of {made_of} and begins with a letter, "
            "or with an underscore and a letter or digit"
        )


def _media_type(hint: Any, given: Serde[Any] | None, of_bytes: str) -> str:
    # Bytes of the author's own serde are most often JSON that they make themselves.
    return of_bytes if hint is bytes and given is None else "application/json"


def _by_hint(hint: Any, given: Serde[Any] | None) -> Serde[Any]:
    # A bare DefaultSerde means what giving none means: the official SDK's default argument.
    undecided = given is None or (isinstance(given, DefaultSerde) and given.type_hint is None)
    return serde_for(hint) if given is None or undecided else given


def _input_serde(signature: HandlerSignature, given: Serde[Any] | None) -> Serde[Any]:
    serde = _by_hint(signature.input_hint, given)
    default = signature.input_default
    return serde if default is MISSING or default is None else OrDefault(serde, default)


def _standing_for(handler: Handler, fn: F) -> F:
    # One function may be a handler of two services, so each gets its own function to stand for it.
    @wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await fn(*args, **kwargs)

    setattr(call, _MARK, handler)
    return call  # type: ignore[return-value] # it has the signature of `fn`, which is what counts
