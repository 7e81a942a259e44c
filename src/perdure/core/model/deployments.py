"""Deployments and the services they brought: what can be called, and under which options.

A registry is an immutable value; a change is a new value. What is stored is the list of deployments
with their manifests; schemas (options resolved: handler over service over server) are derived.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from perdure.core.model.invocations import Retention
from perdure.core.model.manifest_checks import RegistrationError, check_manifest, handler_kind
from perdure.core.model.overrides import Overrides, override
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.core.model.targets import HandlerKind
from perdure.protocol.ids import DeploymentId
from perdure.protocol.manifest import (
    HandlerManifest,
    InputPayload,
    Manifest,
    OnMaxAttempts,
    Options,
    OutputPayload,
    ServiceManifest,
    ServiceType,
)
from perdure.protocol.versions import negotiate

T = TypeVar("T")

DAY_MS: Final = 24 * 60 * 60 * 1000


class Ceilings(Struct, frozen=True, kw_only=True):
    """The most that services get, whatever they ask for; None lets them decide."""

    journal_retention_ms: int | None = None
    idempotency_retention_ms: int | None = None
    workflow_retention_ms: int | None = None
    #: Attempts of one invocation.
    attempts: int | None = None


class Defaults(Struct, frozen=True, kw_only=True):
    """The server's own options, used where neither handler nor service says otherwise."""

    journal_retention_ms: int = DAY_MS
    idempotency_retention_ms: int = DAY_MS
    workflow_retention_ms: int = DAY_MS
    inactivity_timeout_ms: int = 60_000
    abort_timeout_ms: int = 600_000
    lazy_state: bool = False
    retry_policy: RetryPolicy = RetryPolicy()
    ceilings: Ceilings = Ceilings()

    def journal_retention(self, *wanted: int | None) -> int:
        """Give how long journals are kept: the first of what is wanted, as far as it may be."""
        wanted_ms = _first(*wanted, default=self.journal_retention_ms)
        return _capped(wanted_ms, self.ceilings.journal_retention_ms)

    def idempotency_retention(self, *wanted: int | None) -> int:
        """Give how long results of requests with a key are kept, in the same way."""
        wanted_ms = _first(*wanted, default=self.idempotency_retention_ms)
        return _capped(wanted_ms, self.ceilings.idempotency_retention_ms)

    def workflow_retention(self, *wanted: int | None) -> int:
        """Give how long results of workflows are kept, in the same way."""
        wanted_ms = _first(*wanted, default=self.workflow_retention_ms)
        return _capped(wanted_ms, self.ceilings.workflow_retention_ms)

    def retries(self, *options: Options) -> RetryPolicy:
        """Give the retry policy with options laid over it, the last ones on top."""
        policy = self.retry_policy
        for each in options:
            policy = _with_options(policy, each)
        most = self.ceilings.attempts
        if most is None:
            return policy
        return replace(policy, max_attempts=_capped(policy.max_attempts or most, most))


class HandlerSchema(Struct, frozen=True, kw_only=True):
    """A handler with its options resolved; durations in milliseconds."""

    service: str
    name: str
    kind: HandlerKind
    public: bool
    input: InputPayload | None
    output: OutputPayload | None
    completion_retention_ms: int
    journal_retention_ms: int
    inactivity_timeout_ms: int
    abort_timeout_ms: int
    lazy_state: bool
    retry_policy: RetryPolicy
    documentation: str | None = None
    metadata: dict[str, str] | None = None
    #: Whether its deployment speaks no version of the service protocol that this server does: it
    #: was registered by a server that speaks others.
    retired: bool = False

    def retention_for(self, *, idempotent: bool) -> Retention:
        """Say how long an invocation is kept after its end (service protocol 10.5)."""
        if not idempotent and not self.kind.once:
            return Retention(self.journal_retention_ms, self.journal_retention_ms)
        completion = self.completion_retention_ms
        return Retention(completion, min(self.journal_retention_ms, completion))


class ServiceSchema(Struct, frozen=True, kw_only=True):
    """The newest revision of a service."""

    name: str
    type: ServiceType
    revision: int
    deployment_id: DeploymentId
    public: bool
    handlers: dict[str, HandlerSchema]
    #: What the deployment says of it, with what operators set.
    manifest: ServiceManifest
    documentation: str | None = None
    metadata: dict[str, str] | None = None


class Deployment(Struct, frozen=True, kw_only=True):
    """One address with the services it serves, as discovered."""

    id: DeploymentId
    #: Where it is reached, such as ``inprocess://app``, or the ARN of a Lambda function.
    endpoint: str
    #: Milliseconds since 1970.
    created_at: int
    manifest: Manifest
    #: Revision that each of its services got.
    revisions: dict[str, int]
    #: What it is spoken to in, as clients read it: ``HTTP/2.0`` or ``HTTP/1.1``.
    http_version: str = "HTTP/2.0"
    #: Role under which a Lambda function is invoked, if not the server's own.
    assume_role_arn: str | None = None
    #: What the SDK calls itself.
    sdk_version: str | None = None
    #: Headers that every request to it carries.
    additional_headers: dict[str, str] = {}
    #: What whoever registered it wanted to be noted.
    metadata: dict[str, str] = {}
    #: What operators set for its services.
    overrides: dict[str, Overrides] = {}

    def services(self) -> list[ServiceManifest]:
        """Give its services, with what operators set for them."""
        services = self.manifest.services
        return [override(each, self.overrides.get(each.name, Overrides())) for each in services]


class Registry(Struct, frozen=True, kw_only=True):
    """All deployments, and the newest revision of each service."""

    deployments: Mapping[DeploymentId, Deployment]
    services: Mapping[str, ServiceSchema]
    #: Resolved services of every deployment, for invocations that are pinned to one.
    pinned: Mapping[tuple[DeploymentId, str], ServiceSchema]
    defaults: Defaults

    def handler(self, service: str, handler: str) -> HandlerSchema | None:
        """Give the newest revision of a handler."""
        schema = self.services.get(service)
        return None if schema is None else schema.handlers.get(handler)


def build_registry(deployments: Iterable[Deployment], defaults: Defaults) -> Registry:
    """Derive what can be called from the deployments that were registered."""
    empty = Registry(deployments={}, services={}, pinned={}, defaults=defaults)
    return with_deployments(empty, deployments)


def with_deployments(registry: Registry, deployments: Iterable[Deployment]) -> Registry:
    """Put other deployments in the place of all; those that were there are not resolved again."""
    by_id = {deployment.id: deployment for deployment in deployments}
    pinned: dict[tuple[DeploymentId, str], ServiceSchema] = {}
    for deployment in by_id.values():
        if registry.deployments.get(deployment.id) is deployment:
            keys = [(deployment.id, service.name) for service in deployment.manifest.services]
            pinned.update([(key, registry.pinned[key]) for key in keys])
        else:
            pinned.update(_resolved(deployment, registry.defaults))
    services: dict[str, ServiceSchema] = {}
    for (_, name), schema in pinned.items():
        if name not in services or services[name].revision < schema.revision:
            services[name] = schema
    return Registry(
        deployments=by_id,
        services=dict(sorted(services.items())),
        pinned=pinned,
        defaults=registry.defaults,
    )


def _resolved(
    deployment: Deployment, defaults: Defaults
) -> Iterator[tuple[tuple[DeploymentId, str], ServiceSchema]]:
    for service in deployment.services():
        yield (deployment.id, service.name), resolve_service(deployment, service, defaults)


def with_deployment(
    registry: Registry,
    deployment_id: DeploymentId,
    endpoint: str,
    manifest: Manifest,
    created_at: int,
) -> Registry:
    """Add a deployment: each of its services gets the next revision.

    Raises:
        RegistrationError: the manifest contradicts itself, the protocol, or an earlier revision.
    """
    check_manifest(manifest)
    check_types(registry, manifest)
    added = Deployment(
        id=deployment_id,
        endpoint=endpoint,
        created_at=created_at,
        manifest=manifest,
        revisions=next_revisions(registry, manifest),
    )
    return with_deployments(registry, [*registry.deployments.values(), added])


def next_revisions(registry: Registry, manifest: Manifest) -> dict[str, int]:
    """Number the services of a manifest that takes the place of what is known so far."""
    services = registry.services
    return {
        service.name: services[service.name].revision + 1 if service.name in services else 1
        for service in manifest.services
    }


def check_types(registry: Registry, manifest: Manifest) -> None:
    """Refuse services that were of another type before.

    Raises:
        RegistrationError: names the first such service.
    """
    for service in manifest.services:
        known = registry.services.get(service.name)
        if known is not None and known.type is not service.ty:
            raise RegistrationError(
                "META0006",
                f"service {service.name!r} is a {known.type} and cannot become a {service.ty}; "
                "give the new service another name, or register the deployment as breaking",
            )


def resolve_service(
    deployment: Deployment, service: ServiceManifest, defaults: Defaults
) -> ServiceSchema:
    """Resolve the options of a service and its handlers."""
    manifest = deployment.manifest
    retired = negotiate(manifest.min_protocol_version, manifest.max_protocol_version) is None
    handlers = {
        handler.name: resolve_handler(service, handler, defaults, retired=retired)
        for handler in service.handlers
    }
    return ServiceSchema(
        name=service.name,
        type=service.ty,
        revision=deployment.revisions[service.name],
        deployment_id=deployment.id,
        public=not service.ingress_private,
        handlers=handlers,
        manifest=service,
        documentation=service.documentation,
        metadata=service.metadata,
    )


def resolve_handler(
    service: ServiceManifest,
    handler: HandlerManifest,
    defaults: Defaults,
    *,
    retired: bool = False,
) -> HandlerSchema:
    """Resolve the options of one handler: its own, else its service's, else the server's."""
    kind = handler_kind(service, handler)

    private = _first(handler.ingress_private, service.ingress_private, default=False)
    completion = (
        defaults.workflow_retention(handler.workflow_completion_retention)
        if kind.once
        else defaults.idempotency_retention(
            handler.idempotency_retention, service.idempotency_retention
        )
    )
    return HandlerSchema(
        service=service.name,
        name=handler.name,
        kind=kind,
        public=not private,
        input=handler.input,
        output=handler.output,
        completion_retention_ms=completion,
        journal_retention_ms=defaults.journal_retention(
            handler.journal_retention, service.journal_retention
        ),
        inactivity_timeout_ms=_first(
            handler.inactivity_timeout,
            service.inactivity_timeout,
            default=defaults.inactivity_timeout_ms,
        ),
        abort_timeout_ms=_first(
            handler.abort_timeout, service.abort_timeout, default=defaults.abort_timeout_ms
        ),
        lazy_state=_first(
            handler.enable_lazy_state, service.enable_lazy_state, default=defaults.lazy_state
        ),
        retry_policy=defaults.retries(service, handler),
        documentation=handler.documentation,
        metadata=handler.metadata,
        retired=retired,
    )


def _with_options(below: RetryPolicy, options: Options) -> RetryPolicy:
    """Lay the retry options of a service or handler over the policy below it."""
    changes: dict[str, object] = {
        "initial_interval_ms": options.retry_policy_initial_interval,
        "exponentiation_factor": options.retry_policy_exponentiation_factor,
        "max_interval_ms": options.retry_policy_max_interval,
        "max_attempts": options.retry_policy_max_attempts,
    }
    if options.retry_policy_on_max_attempts is not None:
        changes["on_exhausted"] = (
            OnExhausted.KILL
            if options.retry_policy_on_max_attempts is OnMaxAttempts.KILL
            else OnExhausted.PAUSE
        )
    given = {name: value for name, value in changes.items() if value is not None}
    if given.get("max_attempts") == 0:
        given["max_attempts"] = 1  # as the real server stores it (service protocol 2.3)
    return replace(below, **given) if given else below


def _capped(wanted: int, most: int | None) -> int:
    return wanted if most is None else min(wanted, most)


def _first(*options: T | None, default: T) -> T:
    """Give the first option that was set."""
    return next((option for option in options if option is not None), default)
