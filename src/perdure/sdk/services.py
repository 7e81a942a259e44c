"""What users declare: services, virtual objects and workflows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Unpack

from perdure.protocol.manifest import ServiceType
from perdure.sdk.definitions import HandlerKind, ServiceDefinition
from perdure.sdk.errors import DefinitionError
from perdure.sdk.options import (
    HandlerOptions,
    KeyedHandlerOptions,
    KeyedOptions,
    MainOptions,
    ServiceOptions,
    parse_options,
)

F = TypeVar("F", bound=Callable[..., Any])

_DESCRIPTION = {"description", "metadata"}


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
        options: See :class:`perdure.sdk.options.ServiceOptions`.

    Raises:
        DefinitionError: the name or an option is wrong.
    """

    def __init__(
        self,
        name: str,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
        **options: Unpack[ServiceOptions],
    ) -> None:
        given = {**options, "description": description, "metadata": metadata}
        known = ServiceOptions.__optional_keys__ | _DESCRIPTION
        super().__init__(
            name, ServiceType.SERVICE, parse_options(f"service {name!r}", given, known)
        )

    def handler(
        self, name: str | None = None, **options: Unpack[HandlerOptions]
    ) -> Callable[[F], F]:
        """Make a function a handler.

        Args:
            name: The name under which it is called; the function's if absent.
            options: See :class:`perdure.sdk.options.HandlerOptions`.

        Raises:
            DefinitionError: the function cannot be a handler, or an option is wrong.
        """
        known = HandlerOptions.__optional_keys__
        return _decorator(self, HandlerKind.SERVICE, name, options, known)


class VirtualObject(ServiceDefinition):
    """A virtual object: handlers with a key, and state for each key.

    An exclusive handler has its key for itself while it runs; shared handlers run beside it and
    only read.

    Args:
        name: The name under which it is called.
        description: Text for people.
        metadata: Anything else, shown by the admin API.
        options: See :class:`perdure.sdk.options.KeyedOptions`.

    Raises:
        DefinitionError: the name or an option is wrong.
    """

    def __init__(
        self,
        name: str,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
        **options: Unpack[KeyedOptions],
    ) -> None:
        given = {**options, "description": description, "metadata": metadata}
        known = KeyedOptions.__optional_keys__ | _DESCRIPTION
        checked = parse_options(f"virtual object {name!r}", given, known)
        super().__init__(name, ServiceType.VIRTUAL_OBJECT, checked)

    def handler(
        self,
        name: str | None = None,
        kind: Literal["exclusive", "shared"] | None = "exclusive",
        **options: Unpack[KeyedHandlerOptions],
    ) -> Callable[[F], F]:
        """Make a function a handler.

        Args:
            name: The name under which it is called; the function's if absent.
            kind: Whether it has its key for itself, or shares it and only reads.
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
        known = KeyedHandlerOptions.__optional_keys__
        return _decorator(self, kinds[kind], name, options, known)


class Workflow(ServiceDefinition):
    """A workflow: a main handler that runs once a key, and handlers to talk to it.

    Args:
        name: The name under which it is called.
        description: Text for people.
        metadata: Anything else, shown by the admin API.
        options: See :class:`perdure.sdk.options.KeyedOptions`.

    Raises:
        DefinitionError: the name or an option is wrong.
    """

    def __init__(
        self,
        name: str,
        description: str | None = None,
        metadata: dict[str, str] | None = None,
        **options: Unpack[KeyedOptions],
    ) -> None:
        given = {**options, "description": description, "metadata": metadata}
        known = KeyedOptions.__optional_keys__ | _DESCRIPTION
        super().__init__(
            name, ServiceType.WORKFLOW, parse_options(f"workflow {name!r}", given, known)
        )

    def main(self, name: str | None = None, **options: Unpack[MainOptions]) -> Callable[[F], F]:
        """Make a function the main handler: it runs once for each key.

        Args:
            name: The name under which it is called; the function's if absent.
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
        known = MainOptions.__optional_keys__
        return _decorator(self, HandlerKind.WORKFLOW, name, options, known)

    def handler(
        self, name: str | None = None, **options: Unpack[KeyedHandlerOptions]
    ) -> Callable[[F], F]:
        """Make a function a handler that runs beside the main one, as often as it is called.

        Args:
            name: The name under which it is called; the function's if absent.
            options: See :class:`perdure.sdk.options.KeyedHandlerOptions`.

        Raises:
            DefinitionError: the function cannot be a handler, or an option is wrong.
        """
        known = KeyedHandlerOptions.__optional_keys__
        return _decorator(self, HandlerKind.WORKFLOW_SHARED, name, options, known)


def _decorator(
    service: ServiceDefinition,
    kind: HandlerKind,
    name: str | None,
    given: Mapping[str, Any],
    known: frozenset[str],
) -> Callable[[F], F]:
    if callable(name):
        raise DefinitionError(
            f"a decorator of {service.name!r} is written without parentheses: "
            "write `@service.handler()`"
        )
    where = f"handler {name!r} of {service.name!r}" if name else f"a handler of {service.name!r}"
    options = parse_options(where, given, known)

    def decorate(fn: F) -> F:
        return service.add(fn, kind, name, options)

    return decorate
