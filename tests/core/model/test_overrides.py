"""What operators set for a service lies over its manifest, and under what its handlers set."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from perdure.core.model.deployments import Defaults, build_registry, with_deployment
from perdure.core.model.overrides import Overrides, override
from perdure.core.model.revisions import Facts, moved, reconfigured, reheaded, replaced, updated
from perdure.protocol.ids import DeploymentId
from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    Manifest,
    ServiceManifest,
    ServiceType,
)

ONE = DeploymentId("dp_1")
FLOW = ServiceManifest(
    name="Flow",
    ty=ServiceType.WORKFLOW,
    journal_retention=1,
    handlers=(
        HandlerManifest(name="run", ty=HandlerType.WORKFLOW),
        HandlerManifest(name="look", abort_timeout=2),
    ),
)
MANIFEST = Manifest(min_protocol_version=5, max_protocol_version=7, services=(FLOW,))
FACTS = Facts(endpoint="http://a/", manifest=MANIFEST)


@pytest.fixture
def registry():
    return with_deployment(build_registry([], Defaults()), ONE, "http://a/", MANIFEST, 1)


def test_nothing_set_changes_nothing():
    assert override(FLOW, Overrides()) == FLOW


def test_each_option_takes_the_place_of_the_services_own(registry):
    overrides = Overrides(
        public=False,
        idempotency_retention_ms=10,
        journal_retention_ms=11,
        workflow_completion_retention_ms=12,
        inactivity_timeout_ms=13,
        abort_timeout_ms=14,
    )
    changed = reconfigured(registry, "Flow", overrides)
    run, look = changed.handler("Flow", "run"), changed.handler("Flow", "look")
    assert not changed.services["Flow"].public
    assert (run.completion_retention_ms, look.completion_retention_ms) == (12, 10)
    assert (run.journal_retention_ms, run.inactivity_timeout_ms) == (11, 13)
    assert (run.abort_timeout_ms, look.abort_timeout_ms) == (14, 2)
    assert registry.handler("Flow", "run").abort_timeout_ms == Defaults().abort_timeout_ms


def test_what_is_set_stays_until_it_is_set_again(registry):
    changed = reconfigured(registry, "Flow", Overrides(public=False, abort_timeout_ms=0))
    changed = reconfigured(changed, "Flow", Overrides(journal_retention_ms=5))
    assert changed.deployments[ONE].overrides["Flow"] == Overrides(
        public=False, abort_timeout_ms=0, journal_retention_ms=5
    )
    changed = reconfigured(changed, "Flow", Overrides(public=True))
    assert changed.services["Flow"].public


def test_what_is_set_stays_while_the_deployment_is_not_asked_anew(registry):
    changed = reconfigured(registry, "Flow", Overrides(public=False))
    changed = reheaded(changed, ONE, {"a": "b"}, None)
    assert not changed.services["Flow"].public


def test_what_is_set_stays_when_the_deployment_moves(registry):
    changed = reconfigured(registry, "Flow", Overrides(public=False))
    changed = moved(changed, ONE, replace(FACTS, endpoint="http://b/"))
    assert changed.deployments[ONE].endpoint == "http://b/"
    assert not changed.services["Flow"].public


@pytest.mark.parametrize("discover", [replaced, updated])
def test_what_is_set_ends_when_the_deployment_is_asked_anew(registry, discover):
    changed = reconfigured(registry, "Flow", Overrides(public=False))
    changed = discover(changed, ONE, FACTS)
    assert changed.services["Flow"].public


def test_an_unknown_service_is_not_found(registry):
    with pytest.raises(LookupError):
        reconfigured(registry, "Nope", Overrides())
