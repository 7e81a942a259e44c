"""What users declare: services, virtual objects and workflows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Unpack

from perdure.protocol.manifest import ServiceType
from perdure.sdk.definitions import HandlerKind, ServiceDefinition
from perdure.sdk.errors import DefinitionError
from perdure.sdk.options import (
    HandlerOptions,
    KeyedHandlerOptions,
    KeyedOptions,
    MainOptions,
    Options,
    ServiceOptions,
    by_name,
    parse_options,
)

F = TypeVar("F", bound=Callable[..., Any])


class Service(ServiceDefinition):
    """A service: handlers that share nothing and run side by side.

    Example:
        ```python
        greeter = Service("Greeter")

        @greeter.handler()
        async def greet(ctx: Context, name: str) -> str:
            return f"Hello {name}"
        ```

    Args:
        name: The name under which it is called.
        description: Text for people.
        metadata: Anything else, shown by the admin API.
        more: Options by position, in the order of their names.
        options: See :class:`perdure.sdk.options.ServiceOptions`.

    Raises:
        DefinitionError: the name or an option is wrong.
    """

    def __init__(
        self,
        name: str,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
        *more: Any,
        **options: Unpack[ServiceOptions],
    ) -> None:
        texts = {"description": description, "metadata": metadata}
        checked = _checked(f"service {name!r}", texts, more, options, ServiceOptions)
        super().__init__(name, ServiceType.SERVICE, checked)

    def handler(
        self, name: str | None = None, *more: Any, **options: Unpack[HandlerOptions]
    ) -> Callable[[F], F]:
        """Make a function a handler.

        Args:
            name: The name under which it is called; the function's if absent.
            more: Options by position, in the order of their names.
            options: See :class:`perdure.sdk.options.HandlerOptions`.

        Raises:
            DefinitionError: the function cannot be a handler, or an option is wrong.
        """
        return _decorator(self, HandlerKind.SERVICE, name, more, options, HandlerOptions)


class VirtualObject(ServiceDefinition):
    """A virtual object: handlers with a key, and state for each key.

    An exclusive handler has its key for itself while it runs; shared handlers run beside it and
    only read.

    Args:
        name: The name under which it is called.
        description: Text for people.
        metadata: Anything else, shown by the admin API.
        more: Options by position, in the order of their names.
        options: See :class:`perdure.sdk.options.KeyedOptions`.

    Raises:
        DefinitionError: the name or an option is wrong.
    """

    def __init__(
        self,
        name: str,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
        *more: Any,
        **options: Unpack[KeyedOptions],
    ) -> None:
        texts = {"description": description, "metadata": metadata}
        checked = _checked(f"virtual object {name!r}", texts, more, options, KeyedOptions)
        super().__init__(name, ServiceType.VIRTUAL_OBJECT, checked)

    def handler(
        self,
        name: str | None = None,
        kind: Literal["exclusive", "shared"] | None = "exclusive",
        *more: Any,
        **options: Unpack[KeyedHandlerOptions],
    ) -> Callable[[F], F]:
        """Make a function a handler.

        Args:
            name: The name under which it is called; the function's if absent.
            kind: Whether it has its key for itself, or shares it and only reads.
            more: Options by position, in the order of their names.
            options: See :class:`perdure.sdk.options.KeyedHandlerOptions`.

        Raises:
            DefinitionError: the function cannot be a handler, or an option is wrong.
        """
        kinds = {None: HandlerKind.EXCLUSIVE, "exclusive": HandlerKind.EXCLUSIVE}
        kinds["shared"] = HandlerKind.SHARED
        if kind not in kinds:
            raise DefinitionError(
                f"virtual object {self.name!r}: a handler is 'exclusive' or 'shared', not {kind!r}"
            )
        return _decorator(self, kinds[kind], name, more, options, KeyedHandlerOptions)


class Workflow(ServiceDefinition):
    """A workflow: a main handler that runs once a key, and handlers to talk to it.

    Args:
        name: The name under which it is called.
        description: Text for people.
        metadata: Anything else, shown by the admin API.
        more: Options by position, in the order of their names.
        options: See :class:`perdure.sdk.options.KeyedOptions`.

    Raises:
        DefinitionError: the name or an option is wrong.
    """

    def __init__(
        self,
        name: str,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
        *more: Any,
        **options: Unpack[KeyedOptions],
    ) -> None:
        texts = {"description": description, "metadata": metadata}
        checked = _checked(f"workflow {name!r}", texts, more, options, KeyedOptions)
        super().__init__(name, ServiceType.WORKFLOW, checked)

    def main(
        self, name: str | None = None, *more: Any, **options: Unpack[MainOptions]
    ) -> Callable[[F], F]:
        """Make a function the main handler: it runs once for each key.

        Args:
            name: The name under which it is called; the function's if absent.
            more: Options by position, in the order of their names.
            options: See :class:`perdure.sdk.options.MainOptions`.

        Raises:
            DefinitionError: the function cannot be a handler, an option is wrong, or the
                workflow has a main handler already.
        """
        for handler in self.handlers.values():
            if handler.kind is HandlerKind.WORKFLOW:
                raise DefinitionError(
                    f"workflow {self.name!r}: its main handler is {handler.name!r} already; "
                    "others are made with `@workflow.handler()`"
                )
        return _decorator(self, HandlerKind.WORKFLOW, name, more, options, MainOptions)

    def handler(
        self, name: str | None = None, *more: Any, **options: Unpack[KeyedHandlerOptions]
    ) -> Callable[[F], F]:
        """Make a function a handler that runs beside the main one, as often as it is called.

        Args:
            name: The name under which it is called; the function's if absent.
            more: Options by position, in the order of their names.
            options: See :class:`perdure.sdk.options.KeyedHandlerOptions`.

        Raises:
            DefinitionError: the function cannot be a handler, or an option is wrong.
        """
        return _decorator(
            self, HandlerKind.WORKFLOW_SHARED, name, more, options, KeyedHandlerOptions
        )


def _decorator(
    service: ServiceDefinition,
    kind: HandlerKind,
    name: str | None,
    positional: Sequence[Any],
    named: Mapping[str, Any],
    known: type,
) -> Callable[[F], F]:
    if callable(name):
        raise DefinitionError(
            f"a decorator of {service.name!r} is written without parentheses: "
            "write `@service.handler()`"
        )
    where = f"handler {name!r} of {service.name!r}" if name else f"a handler of {service.name!r}"
    options = _checked(where, {}, positional, named, known)

    def decorate(fn: F) -> F:
        return service.add(fn, kind, name, options)

    return decorate


def _checked(
    where: str,
    texts: Mapping[str, Any],
    positional: Sequence[Any],
    named: Mapping[str, Any],
    known: type,
) -> Options:
    """Give options as a value; the keys of ``known`` are in the order of their positions."""
    names = tuple(known.__annotations__)
    given = by_name(where, positional, named, names)
    return parse_options(where, {**given, **texts}, (*names, *texts))
