"""What a manifest must be to be served: versions, names, and handlers that fit their service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from perdure.core.model.targets import HandlerKind
from perdure.protocol.manifest import (
    HANDLER_NAME,
    SERVICE_NAME,
    HandlerManifest,
    HandlerType,
    Manifest,
    ServiceManifest,
    ServiceType,
)
from perdure.protocol.versions import negotiate


class RegistrationError(Exception):
    """A deployment cannot be registered; nothing was changed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        #: Documented code, such as META0005.
        self.code = code


def check_manifest(manifest: Manifest) -> None:
    """Refuse a manifest that cannot be served.

    Raises:
        RegistrationError: what is wrong, and what to write instead.
    """
    if negotiate(manifest.min_protocol_version, manifest.max_protocol_version) is None:
        raise RegistrationError(
            "META0012",
            f"the deployment speaks protocol versions {manifest.min_protocol_version} to "
            f"{manifest.max_protocol_version}, this server 5 to 7; upgrade the older of the two",
        )
    seen: set[str] = set()
    for service in manifest.services:
        if service.name in seen:
            raise RegistrationError("META0013", f"service {service.name!r} appears twice")
        seen.add(service.name)
        check_service(service)


def check_service(service: ServiceManifest) -> None:
    """Refuse a service with a bad name, or with handlers that do not fit its type.

    Raises:
        RegistrationError: what is wrong, and what to write instead.
    """
    name = service.name
    if not SERVICE_NAME.fullmatch(name):
        raise RegistrationError(
            "META0013", f"service name {name!r} does not match {SERVICE_NAME.pattern}"
        )
    if name.lower().startswith("restate") or name.lower() == "openapi":
        raise RegistrationError("META0005", f"service name {name!r} is reserved; choose another")
    seen: set[str] = set()
    for handler in service.handlers:
        if not HANDLER_NAME.fullmatch(handler.name):
            raise RegistrationError(
                "META0013",
                f"handler name {name}/{handler.name!r} does not match {HANDLER_NAME.pattern}",
            )
        if handler.name in seen:
            raise RegistrationError("META0013", f"handler {name}/{handler.name} appears twice")
        seen.add(handler.name)
        if service.ingress_private and handler.ingress_private is False:
            raise RegistrationError(
                "META0013", f"handler {name}/{handler.name} is public in a private service"
            )
        handler_kind(service, handler)
        check_retentions(service, handler)


def check_retentions(service: ServiceManifest, handler: HandlerManifest) -> None:
    """Refuse a retention that means nothing for the handler's kind (service protocol 2.4).

    Raises:
        RegistrationError: which option to move or remove.
    """
    where = f"handler {service.name}/{handler.name}"
    is_run = handler.ty is HandlerType.WORKFLOW
    if is_run and handler.idempotency_retention is not None:
        raise RegistrationError(
            "META0013",
            f"{where}: a workflow takes workflowCompletionRetention instead of "
            "idempotencyRetention",
        )
    if not is_run and handler.workflow_completion_retention is not None:
        raise RegistrationError(
            "META0013", f"{where}: workflowCompletionRetention is for the workflow handler only"
        )


_KINDS: Final[Mapping[tuple[ServiceType, HandlerType | None], HandlerKind]] = {
    (ServiceType.SERVICE, None): HandlerKind.SERVICE,
    (ServiceType.SERVICE, HandlerType.SHARED): HandlerKind.SERVICE,
    (ServiceType.VIRTUAL_OBJECT, None): HandlerKind.EXCLUSIVE,
    (ServiceType.VIRTUAL_OBJECT, HandlerType.EXCLUSIVE): HandlerKind.EXCLUSIVE,
    (ServiceType.VIRTUAL_OBJECT, HandlerType.SHARED): HandlerKind.SHARED,
    # The text of the manifest's schema says "workflow" here; the real server takes "shared".
    (ServiceType.WORKFLOW, None): HandlerKind.WORKFLOW_SHARED,
    (ServiceType.WORKFLOW, HandlerType.SHARED): HandlerKind.WORKFLOW_SHARED,
    (ServiceType.WORKFLOW, HandlerType.WORKFLOW): HandlerKind.WORKFLOW,
}


def handler_kind(service: ServiceManifest, handler: HandlerManifest) -> HandlerKind:
    """Give a handler's kind by its type and its service's (service protocol 2.5).

    Raises:
        RegistrationError: the two types do not go together.
    """
    kind = _KINDS.get((service.ty, handler.ty))
    if kind is None:
        raise RegistrationError(
            "META0013",
            f"handler {service.name}/{handler.name} is {handler.ty}, "
            f"which a {service.ty} cannot have",
        )
    return kind
