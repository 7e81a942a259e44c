"""What an application serves, as the manifest that a server discovers (section 2).

A handler whose types say nothing takes and gives JSON of any shape. Inputs are never required: no
body reaches a handler as ``None``, or as the default of its parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from datetime import timedelta
from types import NoneType
from typing import Any, Final

from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    InputPayload,
    Manifest,
    OnMaxAttempts,
    OutputPayload,
    ProtocolMode,
    ServiceManifest,
)
from perdure.protocol.versions import PROTOCOL_VERSION_MAX, PROTOCOL_VERSION_MIN
from perdure.sdk.definitions import Handler, HandlerKind, ServiceDefinition
from perdure.sdk.options import InvocationRetryPolicy, Options
from perdure.sdk.serde import SchemaMode, Serde, serde_for
from perdure.sdk.signatures import MISSING

#: None for handlers of plain services: there is nothing to share.
_HANDLER_TYPES: Final = {
    HandlerKind.SERVICE: None,
    HandlerKind.EXCLUSIVE: HandlerType.EXCLUSIVE,
    HandlerKind.SHARED: HandlerType.SHARED,
    HandlerKind.WORKFLOW: HandlerType.WORKFLOW,
    HandlerKind.WORKFLOW_SHARED: HandlerType.SHARED,
}


def manifest_of(services: Iterable[ServiceDefinition], mode: ProtocolMode) -> Manifest:
    """Give the manifest of services.

    Args:
        services: The services.
        mode: How the server shall talk to them.
    """
    return Manifest(
        min_protocol_version=PROTOCOL_VERSION_MIN,
        max_protocol_version=PROTOCOL_VERSION_MAX,
        protocol_mode=mode,
        services=tuple(_service(each) for each in services),
    )


def _service(service: ServiceDefinition) -> ServiceManifest:
    return ServiceManifest(
        name=service.name,
        ty=service.service_type,
        handlers=tuple(_handler(each) for each in service.handlers.values()),
        documentation=service.options.description,
        **_options(service.options),
    )


def _handler(handler: Handler) -> HandlerManifest:
    return HandlerManifest(
        name=handler.name,
        ty=_HANDLER_TYPES[handler.kind],
        input=_input(handler),
        output=_output(handler),
        documentation=handler.options.description or _docstring(handler),
        workflow_completion_retention=_milliseconds(handler.options.workflow_retention),
        **_options(handler.options),
    )


def _docstring(handler: Handler) -> str | None:
    # Objects that can be called would give the text of their class.
    return inspect.getdoc(handler.fn) if inspect.isroutine(handler.fn) else None


def _input(handler: Handler) -> InputPayload:
    if not handler.takes_input:
        return InputPayload()
    return InputPayload(
        required=False,
        content_type=handler.accept,
        json_schema=_schema(handler.input_serde, handler.signature.input_hint, "validation"),
    )


def _output(handler: Handler) -> OutputPayload:
    hint = handler.signature.output_hint
    if hint is NoneType:
        return OutputPayload(set_content_type_if_empty=False)
    known = hint is not MISSING
    return OutputPayload(
        set_content_type_if_empty=False,
        content_type=handler.content_type,
        json_schema=_schema(handler.output_serde, hint, "serialization") if known else None,
    )


def _schema(serde: Serde[Any], hint: Any, mode: SchemaMode) -> Any:
    """Give the schema that the serde knows, else that of the hint, else one that lets all pass."""
    schema = serde.json_schema(mode)
    if schema is None:
        schema = serde_for(hint).json_schema(mode)
    return True if schema is None else schema


def _options(options: Options) -> dict[str, Any]:
    policy = options.invocation_retry_policy or InvocationRetryPolicy()
    return {
        "metadata": None if options.metadata is None else dict(options.metadata),
        "inactivity_timeout": _milliseconds(options.inactivity_timeout),
        "abort_timeout": _milliseconds(options.abort_timeout),
        "journal_retention": _milliseconds(options.journal_retention),
        "idempotency_retention": _milliseconds(options.idempotency_retention),
        "enable_lazy_state": options.enable_lazy_state,
        "ingress_private": options.ingress_private,
        "retry_policy_initial_interval": _milliseconds(policy.initial_interval),
        "retry_policy_max_interval": _milliseconds(policy.max_interval),
        "retry_policy_max_attempts": policy.max_attempts,
        "retry_policy_exponentiation_factor": policy.exponentiation_factor,
        "retry_policy_on_max_attempts": _on_max_attempts(policy),
    }


def _on_max_attempts(policy: InvocationRetryPolicy) -> OnMaxAttempts | None:
    chosen = policy.on_max_attempts
    return None if chosen is None else OnMaxAttempts(chosen.upper())


def _milliseconds(duration: timedelta | None) -> int | None:
    return None if duration is None else duration // timedelta(milliseconds=1)
