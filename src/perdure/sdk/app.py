"""An application: the services that one deployment serves together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from perdure.protocol.manifest import Manifest, ProtocolMode, ServiceType
from perdure.sdk.context_kinds import check_context
from perdure.sdk.definitions import HandlerKind, ServiceDefinition
from perdure.sdk.discovery import manifest_of
from perdure.sdk.errors import DefinitionError
from perdure.sdk.host import Host, Lifespan
from perdure.sdk.journal_codec import CodecSource, JournalValueCodec, JournalValueCodecProvider

if TYPE_CHECKING:
    from perdure.sdk.asgi import Asgi, Receive, Scope, Send
    from perdure.sdk.endpoint import Endpoint

_MODES: Final = {
    None: None,
    "bidi": ProtocolMode.BIDI_STREAM,
    "request_response": ProtocolMode.REQUEST_RESPONSE,
}


@dataclass(frozen=True, eq=False, kw_only=True)
class App:
    """Services to be served together; made by :func:`app`.

    An application is an ASGI application, to be served by any ASGI server (``perdure serve`` runs
    one) or mounted into another at any path.
    """

    services: tuple[ServiceDefinition, ...]
    protocol_mode: ProtocolMode | None = None
    """How servers shall talk to it; as the way they reach it allows, if absent."""
    identity_keys: tuple[str, ...] = ()
    """Public keys of the servers whose requests are answered; all are, if there are none."""
    lifespan: Lifespan | None = None
    codec: CodecSource | None = None
    """What transforms values on their way to journals."""

    def manifest(self) -> Manifest:
        """Say what is served: every handler that is declared by now.

        Raises:
            DefinitionError: a workflow has no main handler, or a handler is hinted to get another
                context than it gets.
        """
        for service in self.services:
            _check_main(service)
            for handler in service.handlers.values():
                check_context(handler)
        return manifest_of(self.services, self.protocol_mode or ProtocolMode.BIDI_STREAM)

    def host(self) -> Host:
        """Give the services ready to run attempts in this process.

        Raises:
            DefinitionError: a workflow has no main handler.
        """
        return Host(self.services, self.manifest(), self.lifespan, codec=self.codec)

    def endpoint(self) -> Endpoint:
        """Give the services ready to answer servers that call over a network.

        Raises:
            DefinitionError: a workflow has no main handler.
            IdentityKeyError: a public key is not written as keys are.
            ImportError: a package that this needs is missing.
        """
        from perdure.sdk.endpoint import Endpoint  # noqa: PLC0415 - in process nobody needs it

        return Endpoint(self.host(), self.protocol_mode, self.identity_keys)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the lifespan entered, for an application that is mounted into another one.

        Servers tell only the outer application when they begin and end. Without this, the lifespan
        is entered with the first request, and most servers end without leaving it.

        Example:
            ```python
            @asynccontextmanager
            async def lifespan(api: FastAPI):
                async with services.running():
                    yield

            api = FastAPI(lifespan=lifespan)
            api.mount("/restate", services)
            ```

        Raises:
            DefinitionError: a workflow has no main handler.
        """
        async with self._asgi.lifespan.open():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as an ASGI application."""
        await self._asgi(scope, receive, send)

    @cached_property
    def _asgi(self) -> Asgi:
        from perdure.sdk.asgi import Asgi  # noqa: PLC0415 - in process nobody needs it

        return Asgi(self.endpoint())


def app(
    services: Iterable[ServiceDefinition],
    protocol: Literal["bidi", "request_response"] | None = None,
    identity_keys: Iterable[str] | None = None,
    journal_value_codec: JournalValueCodec | JournalValueCodecProvider | None = None,
    *,
    lifespan: Lifespan | None = None,
) -> App:
    """Put services together as an application.

    Args:
        services: The services, virtual objects and workflows.
        protocol: How servers shall talk to it: over a stream that stays open, or with requests
            that get one response each. As the way they reach it allows, if absent.
        identity_keys: Public keys of the servers whose requests are answered.
        journal_value_codec: Transforms values on their way to journals, such as by encryption; or
            an async function that makes what does, called once, before the first attempt.
        lifespan: Makes a context manager that is entered before the first attempt and left after
            the last one: for what all handlers share, such as connections.

    Raises:
        DefinitionError: two services have one name, or an argument is wrong.
    """
    if protocol not in _MODES:
        raise DefinitionError(f"protocol is 'bidi' or 'request_response', not {protocol!r}")
    if isinstance(services, ServiceDefinition):
        raise DefinitionError(f"services is a list: write app([{services.name}])")
    _check_iterable("services", services)
    _check_iterable("identity_keys", () if identity_keys is None else identity_keys)
    chosen = tuple(services)
    check_services(chosen)
    _check_lifespan(lifespan)
    return App(
        services=chosen,
        protocol_mode=_MODES[protocol],
        identity_keys=tuple(identity_keys or ()),
        lifespan=lifespan,
        codec=None if journal_value_codec is None else CodecSource(journal_value_codec),
    )


def check_services(services: tuple[Any, ...]) -> None:
    """Refuse what cannot be served together.

    Raises:
        DefinitionError: two services have one name, or something is no service.
    """
    names: set[str] = set()
    for service in services:
        if not isinstance(service, ServiceDefinition):
            raise DefinitionError(
                f"a service is a Service, VirtualObject or Workflow, not {type(service).__name__}"
            )
        if service.name in names:
            raise DefinitionError(f"there are two services {service.name!r}: rename one of them")
        names.add(service.name)


def _check_iterable(name: str, value: Any) -> None:
    # A text is iterable, too: by its letters, which is never what is meant.
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise DefinitionError(f"{name} is a list: write {name}=[...], not {value!r}")


def _check_lifespan(lifespan: Any) -> None:
    # Context managers that generators make can be called, too: to decorate a function.
    made = hasattr(type(lifespan), "__aenter__") or hasattr(type(lifespan), "__enter__")
    if lifespan is not None and (made or not callable(lifespan)):
        raise DefinitionError(
            "lifespan is a function that makes an async context manager: write lifespan=..., with "
            f"its name and no parentheses, not {type(lifespan).__name__}"
        )


def _check_main(service: ServiceDefinition) -> None:
    kinds = {handler.kind for handler in service.handlers.values()}
    if service.service_type is ServiceType.WORKFLOW and HandlerKind.WORKFLOW not in kinds:
        raise DefinitionError(
            f"workflow {service.name!r} has no main handler: decorate one with `@workflow.main()`"
        )
