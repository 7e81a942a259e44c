"""JSON documents of the admin API about what is deployed.

Services show the options that are in force; handlers show only what they set themselves. Lists have
a fixed order: services and handlers by name, deployments by age.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from perdure.admin.secrets import redact
from perdure.core.model.deployments import (
    Defaults,
    Deployment,
    HandlerSchema,
    Registry,
    ServiceSchema,
)
from perdure.core.model.durations import format_duration
from perdure.core.model.instants import utc_text
from perdure.core.model.payloads import describe_input, describe_output
from perdure.core.model.retries import OnExhausted
from perdure.core.model.targets import HandlerKind
from perdure.protocol.manifest import (
    HandlerManifest,
    OnMaxAttempts,
    Options,
    ProtocolMode,
    ServiceType,
)

#: Types of services, as clients read them.
SERVICE_TYPES: Final = {
    ServiceType.SERVICE: "Service",
    ServiceType.VIRTUAL_OBJECT: "VirtualObject",
    ServiceType.WORKFLOW: "Workflow",
}
_HANDLER_TYPES: Final = {
    HandlerKind.EXCLUSIVE: "Exclusive",
    HandlerKind.SHARED: "Shared",
    HandlerKind.WORKFLOW: "Workflow",
    HandlerKind.WORKFLOW_SHARED: "Shared",
}
_PROTOCOL_TYPES: Final = {
    ProtocolMode.BIDI_STREAM: "BidiStream",
    ProtocolMode.REQUEST_RESPONSE: "RequestResponse",
}
_ON_MAX_ATTEMPTS: Final = {OnMaxAttempts.PAUSE: "Pause", OnMaxAttempts.KILL: "Kill"}
_ON_EXHAUSTED: Final = {OnExhausted.PAUSE: "Pause", OnExhausted.KILL: "Kill"}


class RetryDocument(Struct):
    """A retry policy; what is not set is left out, but for ``max_attempts``."""

    max_attempts: int | None
    initial_interval: str | UnsetType = UNSET
    exponentiation_factor: float | UnsetType = UNSET
    max_interval: str | UnsetType = UNSET
    on_max_attempts: str | UnsetType = UNSET


class InfoDocument(Struct):
    """Something to know about a service or handler, with its documented code."""

    code: str
    message: str


class HandlerDocument(Struct, kw_only=True):
    """A handler."""

    name: str
    ty: str | UnsetType = UNSET
    documentation: str | UnsetType = UNSET
    metadata: Mapping[str, str] | UnsetType = UNSET
    idempotency_retention: str | UnsetType = UNSET
    journal_retention: str | UnsetType = UNSET
    inactivity_timeout: str | UnsetType = UNSET
    abort_timeout: str | UnsetType = UNSET
    enable_lazy_state: bool | UnsetType = UNSET
    public: bool
    input_description: str
    output_description: str
    input_json_schema: Any = UNSET
    output_json_schema: Any = UNSET
    retry_policy: RetryDocument
    info: list[InfoDocument] | UnsetType = UNSET


class ServiceDocument(Struct, kw_only=True):
    """A service, in one of its revisions."""

    name: str
    ty: str
    handlers: list[HandlerDocument]
    documentation: str | UnsetType = UNSET
    metadata: Mapping[str, str] | UnsetType = UNSET
    deployment_id: str
    revision: int
    public: bool
    idempotency_retention: str
    workflow_completion_retention: str | UnsetType = UNSET
    journal_retention: str
    inactivity_timeout: str
    abort_timeout: str
    enable_lazy_state: bool
    retry_policy: RetryDocument
    info: list[InfoDocument] | UnsetType = UNSET


class RevisionDocument(Struct):
    """A service by name and revision only."""

    name: str
    revision: int


class DeploymentHead(Struct, kw_only=True):
    """A deployment without its services: at an address, or a function on AWS Lambda.

    ``http_version`` is a field that clients require of addresses. In process nothing is spoken but
    messages, with the semantics of one stream of HTTP/2.
    """

    id: str
    uri: str | UnsetType = UNSET
    protocol_type: str | UnsetType = UNSET
    http_version: str | UnsetType = UNSET
    arn: str | UnsetType = UNSET
    assume_role_arn: str | UnsetType = UNSET
    compression: str | UnsetType = UNSET
    additional_headers: Mapping[str, str] | UnsetType = UNSET
    metadata: Mapping[str, str] | UnsetType = UNSET
    created_at: str
    min_protocol_version: int
    max_protocol_version: int
    sdk_version: str | UnsetType = UNSET


class DeploymentDocument(DeploymentHead, kw_only=True):
    """A deployment, with its services in full."""

    services: list[ServiceDocument]


class DeploymentBrief(DeploymentHead, kw_only=True):
    """A deployment, with its services by name and revision."""

    services: list[RevisionDocument]


def list_deployments(registry: Registry) -> list[DeploymentBrief]:
    """Show all deployments, their services by name and revision."""
    oldest_first = sorted(
        registry.deployments.values(), key=lambda each: (each.created_at, each.id)
    )
    return [
        DeploymentBrief(
            **_head(deployment),
            services=[
                RevisionDocument(name, number)
                for name, number in sorted(deployment.revisions.items())
            ],
        )
        for deployment in oldest_first
    ]


def show_deployment(registry: Registry, deployment: Deployment) -> DeploymentDocument:
    """Show a deployment with its services in full."""
    schemas = [registry.pinned[deployment.id, name] for name in sorted(deployment.revisions)]
    services = [show_service(registry, schema) for schema in schemas]
    return DeploymentDocument(**_head(deployment), services=services)


def _head(deployment: Deployment) -> dict[str, Any]:
    manifest = deployment.manifest
    return {
        "id": deployment.id,
        **_whereabouts(deployment),
        "additional_headers": redact(deployment.additional_headers) or UNSET,
        "metadata": deployment.metadata or UNSET,
        "created_at": utc_text(deployment.created_at),
        "min_protocol_version": manifest.min_protocol_version,
        "max_protocol_version": manifest.max_protocol_version,
        "sdk_version": _given(deployment.sdk_version),
    }


def _whereabouts(deployment: Deployment) -> dict[str, Any]:
    manifest = deployment.manifest
    if deployment.endpoint.startswith("arn:"):
        return {
            "arn": deployment.endpoint,
            "assume_role_arn": _given(deployment.assume_role_arn),
            "compression": "Zstd" if manifest.lambda_compression == "zstd" else UNSET,
        }
    return {
        "uri": deployment.endpoint,
        "protocol_type": _PROTOCOL_TYPES[manifest.protocol_mode or ProtocolMode.BIDI_STREAM],
        "http_version": deployment.http_version,
    }


def list_services(registry: Registry) -> list[ServiceDocument]:
    """Show the newest revision of every service."""
    return [show_service(registry, schema) for _, schema in sorted(registry.services.items())]


def show_service(registry: Registry, schema: ServiceSchema) -> ServiceDocument:
    """Show a service with the options that are in force."""
    manifest, defaults = schema.manifest, registry.defaults
    inactivity = _in_force(manifest.inactivity_timeout, defaults.inactivity_timeout_ms)
    return ServiceDocument(
        name=schema.name,
        ty=SERVICE_TYPES[schema.type],
        handlers=list_handlers(registry, schema),
        documentation=_given(schema.documentation),
        metadata=_given(schema.metadata),
        deployment_id=schema.deployment_id,
        revision=schema.revision,
        public=schema.public,
        idempotency_retention=format_duration(
            defaults.idempotency_retention(manifest.idempotency_retention)
        ),
        workflow_completion_retention=_workflow_retention(schema, defaults),
        journal_retention=format_duration(defaults.journal_retention(manifest.journal_retention)),
        inactivity_timeout="0s" if _is_one_shot(registry, schema) else inactivity,
        abort_timeout=_in_force(manifest.abort_timeout, defaults.abort_timeout_ms),
        enable_lazy_state=(
            defaults.lazy_state
            if manifest.enable_lazy_state is None
            else manifest.enable_lazy_state
        ),
        retry_policy=_policy_in_force(manifest, defaults),
        info=_info(registry, schema, manifest, "service"),
    )


def list_handlers(registry: Registry, service: ServiceSchema) -> list[HandlerDocument]:
    """Show the handlers of a service."""
    options = {handler.name: handler for handler in service.manifest.handlers}
    documents = []
    for name, schema in sorted(service.handlers.items()):
        document = _handler(schema, options[name])
        document.info = _info(registry, service, options[name], "handler")
        if _is_one_shot(registry, service):
            document.inactivity_timeout = UNSET
        documents.append(document)
    return documents


def _handler(schema: HandlerSchema, options: HandlerManifest) -> HandlerDocument:
    return HandlerDocument(
        name=schema.name,
        ty=_given(_HANDLER_TYPES.get(schema.kind)),
        documentation=_given(schema.documentation),
        metadata=_given(schema.metadata),
        idempotency_retention=_duration(options.idempotency_retention),
        journal_retention=_duration(options.journal_retention),
        inactivity_timeout=_duration(options.inactivity_timeout),
        abort_timeout=_duration(options.abort_timeout),
        enable_lazy_state=_given(options.enable_lazy_state),
        public=schema.public,
        input_description=describe_input(schema.input),
        output_description=describe_output(schema.output),
        input_json_schema=UNSET if schema.input is None else _given(schema.input.json_schema),
        output_json_schema=UNSET if schema.output is None else _given(schema.output.json_schema),
        retry_policy=_own_policy(options),
    )


def _is_one_shot(registry: Registry, schema: ServiceSchema) -> bool:
    """Tell whether attempts get one response to one request, so that none is ever inactive."""
    mode = registry.deployments[schema.deployment_id].manifest.protocol_mode
    return mode is ProtocolMode.REQUEST_RESPONSE


def _info(
    registry: Registry, schema: ServiceSchema, options: Options, what: str
) -> list[InfoDocument] | UnsetType:
    """Tell of options that have no effect, or less than they say."""
    info = []
    inactivity_ms = options.inactivity_timeout
    if inactivity_ms is not None and _is_one_shot(registry, schema):
        message = (
            f"The configured inactivity_timeout {format_duration(inactivity_ms)} will not "
            f"be applied because the {what} is exposed in Request/Response mode."
        )
        info.append(InfoDocument("RT0021", message))
    info.extend(_cuts(registry.defaults, options))
    return info or UNSET


def _cuts(defaults: Defaults, options: Options) -> Iterator[InfoDocument]:
    """Tell of retentions that are longer than the server allows."""
    run_ms = options.workflow_completion_retention if isinstance(options, HandlerManifest) else None
    for name, wanted_ms, kept_ms in (
        ("journal", options.journal_retention, defaults.journal_retention),
        ("idempotency", options.idempotency_retention, defaults.idempotency_retention),
        ("workflow_completion", run_ms, defaults.workflow_retention),
    ):
        if wanted_ms is not None and kept_ms(wanted_ms) < wanted_ms:
            kept = format_duration(kept_ms(wanted_ms))
            limit = f"max-{name.replace('_', '-')}-retention"
            message = (
                f"The configured {name}_retention {format_duration(wanted_ms)} is cut to {kept}, "
                f"which is the server's {limit}."
            )
            yield InfoDocument("RT0022", message)


def _workflow_retention(schema: ServiceSchema, defaults: Defaults) -> str | UnsetType:
    if schema.type is not ServiceType.WORKFLOW:
        return UNSET
    runs = (each for each in schema.handlers.values() if each.kind is HandlerKind.WORKFLOW)
    run = next(runs, None)
    return format_duration(
        defaults.workflow_retention() if run is None else run.completion_retention_ms
    )


def _policy_in_force(options: Options, defaults: Defaults) -> RetryDocument:
    policy = defaults.retries(options)
    return RetryDocument(
        max_attempts=policy.max_attempts,
        initial_interval=format_duration(policy.initial_interval_ms),
        exponentiation_factor=policy.exponentiation_factor,
        max_interval=format_duration(policy.max_interval_ms),
        on_max_attempts=_ON_EXHAUSTED[policy.on_exhausted],
    )


def _own_policy(options: Options) -> RetryDocument:
    on_max_attempts = options.retry_policy_on_max_attempts
    return RetryDocument(
        max_attempts=options.retry_policy_max_attempts,
        initial_interval=_duration(options.retry_policy_initial_interval),
        exponentiation_factor=_given(options.retry_policy_exponentiation_factor),
        max_interval=_duration(options.retry_policy_max_interval),
        on_max_attempts=UNSET if on_max_attempts is None else _ON_MAX_ATTEMPTS[on_max_attempts],
    )


def _given(value: Any) -> Any:
    """Leave out what is not set."""
    return UNSET if value is None else value


def _duration(milliseconds: int | None) -> str | UnsetType:
    return UNSET if milliseconds is None else format_duration(milliseconds)


def _in_force(own_ms: int | None, default_ms: int) -> str:
    return format_duration(default_ms if own_ms is None else own_ms)
