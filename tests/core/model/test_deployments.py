"""Registering deployments: what can be called then, and under which options."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perdure.core.model.deployments import (
    DAY_MS,
    Ceilings,
    Defaults,
    build_registry,
    with_deployment,
)
from perdure.core.model.invocations import Retention
from perdure.core.model.manifest_checks import RegistrationError, handler_kind
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.core.model.targets import HandlerKind
from perdure.protocol.ids import DeploymentId
from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    Manifest,
    OnMaxAttempts,
    ServiceManifest,
    ServiceType,
)

FIRST, SECOND = DeploymentId("dp_1"), DeploymentId("dp_2")
EMPTY = build_registry([], Defaults())


def service(name="Svc", ty=ServiceType.SERVICE, handlers=None, **options) -> ServiceManifest:
    handlers = (HandlerManifest(name="run"),) if handlers is None else handlers
    return ServiceManifest(name=name, ty=ty, handlers=handlers, **options)


def manifest(*services: ServiceManifest, lowest=5, highest=7) -> Manifest:
    return Manifest(min_protocol_version=lowest, max_protocol_version=highest, services=services)


def register(*services, registry=EMPTY, as_id=FIRST, **versions):
    return with_deployment(registry, as_id, "inprocess://app", manifest(*services, **versions), 7)


def schema(service_options=None, defaults=Defaults(), **handler_options):  # noqa: B008 - frozen
    """Resolve one handler of one service."""
    it = service(
        handlers=(HandlerManifest(name="run", **handler_options),), **(service_options or {})
    )
    found = register(it, registry=build_registry([], defaults)).handler("Svc", "run")
    assert found is not None
    return found


KINDS = {
    (ServiceType.SERVICE, None): HandlerKind.SERVICE,
    (ServiceType.SERVICE, HandlerType.SHARED): HandlerKind.SERVICE,
    (ServiceType.SERVICE, HandlerType.EXCLUSIVE): None,
    (ServiceType.SERVICE, HandlerType.WORKFLOW): None,
    (ServiceType.VIRTUAL_OBJECT, None): HandlerKind.EXCLUSIVE,
    (ServiceType.VIRTUAL_OBJECT, HandlerType.EXCLUSIVE): HandlerKind.EXCLUSIVE,
    (ServiceType.VIRTUAL_OBJECT, HandlerType.SHARED): HandlerKind.SHARED,
    (ServiceType.VIRTUAL_OBJECT, HandlerType.WORKFLOW): None,
    (ServiceType.WORKFLOW, None): HandlerKind.WORKFLOW_SHARED,
    (ServiceType.WORKFLOW, HandlerType.EXCLUSIVE): None,
    (ServiceType.WORKFLOW, HandlerType.SHARED): HandlerKind.WORKFLOW_SHARED,
    (ServiceType.WORKFLOW, HandlerType.WORKFLOW): HandlerKind.WORKFLOW,
}


@pytest.mark.parametrize(("types", "kind"), KINDS.items())
def test_a_handlers_kind_follows_from_its_type_and_its_services(types, kind):
    of_service, of_handler = types
    handler = HandlerManifest(name="run", ty=of_handler)
    if kind is None:
        with pytest.raises(RegistrationError, match="cannot have"):
            handler_kind(service(ty=of_service), handler)
    else:
        assert handler_kind(service(ty=of_service), handler) is kind


def test_every_combination_of_types_is_decided():
    assert len(KINDS) == len(ServiceType) * (len(HandlerType) + 1)


def test_a_registered_handler_can_be_called():
    registry = register(service())
    found = registry.handler("Svc", "run")
    assert found is not None
    assert (found.service, found.name, found.kind) == ("Svc", "run", HandlerKind.SERVICE)
    assert registry.handler("Svc", "walk") is registry.handler("Other", "run") is None
    assert registry.services["Svc"].deployment_id == FIRST


def test_a_registry_is_a_value():
    register(service())
    assert EMPTY.services == {}


def test_a_new_deployment_brings_the_next_revision_of_its_services():
    registry = register(service("A"), service("B"))
    registry = register(service("B"), service("C"), registry=registry, as_id=SECOND)
    revisions = {name: found.revision for name, found in registry.services.items()}
    assert revisions == {"A": 1, "B": 2, "C": 1}
    assert registry.services["B"].deployment_id == SECOND


def test_invocations_that_are_pinned_find_the_revision_they_began_with():
    registry = register(service(inactivity_timeout=1))
    registry = register(service(inactivity_timeout=2), registry=registry, as_id=SECOND)
    assert registry.pinned[FIRST, "Svc"].handlers["run"].inactivity_timeout_ms == 1
    assert registry.pinned[SECOND, "Svc"].handlers["run"].inactivity_timeout_ms == 2


def test_a_registry_is_rebuilt_from_its_deployments():
    registry = register(service("A"), service("B"))
    registry = register(service("B"), registry=registry, as_id=SECOND)
    assert build_registry(registry.deployments.values(), registry.defaults) == registry


def test_what_did_not_change_is_not_resolved_again():
    before = register(service("A"), service("B"))
    after = register(service("B"), registry=before, as_id=SECOND)
    assert after.pinned[FIRST, "A"] is after.services["A"] is before.services["A"]
    assert after.pinned[FIRST, "B"] is before.services["B"]


def test_a_service_cannot_change_its_type():
    registry = register(service())
    with pytest.raises(RegistrationError, match="another name") as refused:
        register(service(ty=ServiceType.WORKFLOW), registry=registry, as_id=SECOND)
    assert refused.value.code == "META0006"


@pytest.mark.parametrize(("lowest", "highest"), [(1, 4), (8, 9), (6, 5)])
def test_protocols_must_overlap(lowest, highest):
    with pytest.raises(RegistrationError, match="protocol versions") as refused:
        register(service(), lowest=lowest, highest=highest)
    assert refused.value.code == "META0012"


@pytest.mark.parametrize(("lowest", "highest"), [(1, 5), (5, 7), (7, 99)])
def test_overlapping_protocols_are_welcome(lowest, highest):
    assert register(service(), lowest=lowest, highest=highest).services


@pytest.mark.parametrize("name", ["restate", "Restate.Sub", "openapi", "OpenAPI"])
def test_some_names_are_reserved(name):
    with pytest.raises(RegistrationError, match="reserved") as refused:
        register(service(name))
    assert refused.value.code == "META0005"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ((service("1st"),), "does not match"),
        ((service("a b"),), "does not match"),
        ((service("_"),), "does not match"),
        ((service(), service()), "appears twice"),
        ((service(handlers=(HandlerManifest(name="a-b"),)),), "does not match"),
        ((service(handlers=(HandlerManifest(name="a"),) * 2),), "appears twice"),
        (
            (
                service(
                    ingress_private=True,
                    handlers=(HandlerManifest(name="a", ingress_private=False),),
                ),
            ),
            "public in a private service",
        ),
        (
            (
                service(
                    ty=ServiceType.WORKFLOW,
                    handlers=(
                        HandlerManifest(name="a", ty=HandlerType.WORKFLOW, idempotency_retention=1),
                    ),
                ),
            ),
            "workflowCompletionRetention",
        ),
        (
            (service(handlers=(HandlerManifest(name="a", workflow_completion_retention=1),)),),
            "workflow handler only",
        ),
    ],
)
def test_a_contradictory_manifest_is_refused_and_changes_nothing(bad, says):
    with pytest.raises(RegistrationError, match=says):
        register(*bad)


@pytest.mark.parametrize("name", ["Svc", "my.pkg-1.Svc", "_x", "a_b"])
def test_ordinary_names_are_welcome(name):
    assert name in register(service(name)).services


def test_without_options_the_servers_defaults_hold():
    found = schema()
    assert found.public
    assert not found.lazy_state
    assert found.retry_policy == RetryPolicy()
    assert (found.inactivity_timeout_ms, found.abort_timeout_ms) == (60_000, 600_000)
    assert found.completion_retention_ms == found.journal_retention_ms == DAY_MS


OPTIONS = {
    "inactivity_timeout": ("inactivity_timeout_ms", 1, 2),
    "abort_timeout": ("abort_timeout_ms", 1, 2),
    "journal_retention": ("journal_retention_ms", 0, 2),
    "idempotency_retention": ("completion_retention_ms", 0, 2),
    "enable_lazy_state": ("lazy_state", True, False),
}


@pytest.mark.parametrize(("option", "expected"), OPTIONS.items())
def test_a_handlers_option_goes_over_its_services(option, expected):
    field, of_service, of_handler = expected
    assert getattr(schema({option: of_service}), field) == of_service
    assert getattr(schema({option: of_service}, **{option: of_handler}), field) == of_handler


@pytest.mark.parametrize(
    ("ceilings", "options", "field", "expected"),
    [
        (Ceilings(journal_retention_ms=5), {"journal_retention": 6}, "journal_retention_ms", 5),
        (Ceilings(journal_retention_ms=5), {}, "journal_retention_ms", 5),
        (Ceilings(journal_retention_ms=5), {"journal_retention": 0}, "journal_retention_ms", 0),
        (
            Ceilings(idempotency_retention_ms=5),
            {"idempotency_retention": 6},
            "completion_retention_ms",
            5,
        ),
        (Ceilings(idempotency_retention_ms=5), {}, "completion_retention_ms", 5),
        (Ceilings(workflow_retention_ms=5), {}, "completion_retention_ms", DAY_MS),
    ],
)
def test_nothing_is_kept_longer_than_the_server_allows(ceilings, options, field, expected):
    found = schema(options, defaults=Defaults(ceilings=ceilings))
    assert getattr(found, field) == expected


@pytest.mark.parametrize(("asked", "expected"), [(3, 3), (5, 5), (6, 5), (None, 5), (0, 1)])
def test_nothing_is_tried_more_often_than_the_server_allows(asked, expected):
    generous = RetryPolicy(max_attempts=None)
    defaults = Defaults(retry_policy=generous, ceilings=Ceilings(attempts=5))
    found = schema(retry_policy_max_attempts=asked, defaults=defaults)
    assert found.retry_policy.max_attempts == expected
    assert defaults.retries().max_attempts == 5


def test_a_private_service_has_private_handlers():
    assert not schema({"ingress_private": True}).public
    assert not schema(ingress_private=True).public
    assert not register(service(ingress_private=True)).services["Svc"].public


def test_retry_options_are_laid_over_each_other_one_by_one():
    found = schema(
        {
            "retry_policy_initial_interval": 1,
            "retry_policy_max_interval": 9,
            "retry_policy_on_max_attempts": OnMaxAttempts.KILL,
        },
        retry_policy_initial_interval=2,
        retry_policy_exponentiation_factor=3.0,
        retry_policy_max_attempts=4,
    )
    assert found.retry_policy == RetryPolicy(2, 3.0, 9, 4, OnExhausted.KILL)


def test_a_handler_may_pause_where_its_service_kills():
    found = schema(
        {"retry_policy_on_max_attempts": OnMaxAttempts.KILL},
        retry_policy_on_max_attempts=OnMaxAttempts.PAUSE,
    )
    assert found.retry_policy.on_exhausted is OnExhausted.PAUSE


def test_no_attempts_at_all_is_one_attempt():
    assert schema(retry_policy_max_attempts=0).retry_policy.max_attempts == 1


def test_a_workflows_run_is_kept_for_its_own_time():
    run = HandlerManifest(name="run", ty=HandlerType.WORKFLOW, workflow_completion_retention=5)
    it = service(ty=ServiceType.WORKFLOW, handlers=(run,), idempotency_retention=9)
    found = register(it).handler("Svc", "run")
    assert found is not None
    assert found.completion_retention_ms == 5


#: Kind, idempotent, completion and journal retention as configured; then as they hold (10.5).
RETENTIONS = [
    (HandlerKind.WORKFLOW, False, 5, 9, Retention(5, 5)),
    (HandlerKind.WORKFLOW, False, 9, 5, Retention(9, 5)),
    (HandlerKind.WORKFLOW, False, 0, 5, Retention(0, 0)),
    (HandlerKind.SERVICE, True, 5, 9, Retention(5, 5)),
    (HandlerKind.SERVICE, True, 9, 5, Retention(9, 5)),
    (HandlerKind.SERVICE, True, 9, 0, Retention(9, 0)),
    (HandlerKind.SERVICE, False, 5, 9, Retention(9, 9)),
    (HandlerKind.EXCLUSIVE, False, 9, 5, Retention(5, 5)),
    (HandlerKind.SERVICE, False, 9, 0, Retention(0, 0)),
]


@pytest.mark.parametrize(("kind", "idempotent", "completion", "journal", "expected"), RETENTIONS)
def test_what_is_kept_after_the_end(kind, idempotent, completion, journal, expected):
    configured = replace(
        schema(), kind=kind, completion_retention_ms=completion, journal_retention_ms=journal
    )
    assert configured.retention_for(idempotent=idempotent) == expected
