"""Registration of deployments elsewhere: what is asked, what is changed, what is refused."""

from __future__ import annotations

import asyncio

import pytest

from perdure.core.model.deployments import Defaults
from perdure.core.model.manifest_checks import RegistrationError
from perdure.engine.clock import SystemClock
from perdure.engine.registrar import (
    Amendment,
    Discovered,
    Discoverers,
    DiscoveryError,
    Location,
    Order,
    Registrar,
)
from perdure.engine.registry import RegistryKeeper
from perdure.protocol.manifest import (
    HandlerManifest,
    Manifest,
    ProtocolMode,
    ServiceManifest,
    ServiceType,
)
from perdure.storage.document import MemoryDocument

HERE = "http://host:9080/"


def service(name="S", ty=ServiceType.SERVICE, handlers=("h",)):
    return ServiceManifest(
        name=name, ty=ty, handlers=tuple(HandlerManifest(name=each) for each in handlers)
    )


class World:
    """A registry, and a deployment that says what it is told to say."""

    def __init__(self) -> None:
        self.document = MemoryDocument()
        self.keeper = RegistryKeeper(self.document, SystemClock(), Defaults())
        self.registrar = Registrar(self.keeper, self)
        self.services = [service()]
        self.versions = (5, 7)
        self.asked: list[tuple] = []

    async def discover(self, location):
        use_http_11 = location.use_http_11
        self.asked.append((location.endpoint, use_http_11, location.additional_headers))
        manifest = Manifest(
            min_protocol_version=self.versions[0],
            max_protocol_version=self.versions[1],
            services=tuple(self.services),
            protocol_mode=ProtocolMode.BIDI_STREAM,
        )
        return Discovered(manifest, "HTTP/1.1" if use_http_11 else "HTTP/2.0", "sdk/1")

    def register(self, endpoint=HERE, **options):
        return asyncio.run(self.registrar.register(Order(endpoint=endpoint, **options)))

    def amend(self, deployment_id, **options):
        return asyncio.run(self.registrar.amend(deployment_id, Amendment(**options)))

    def revisions(self):
        return {name: each.revision for name, each in self.keeper.registry.services.items()}


def test_a_new_address():
    world = World()
    outcome = world.register(additional_headers={"a": "b"}, use_http_11=True)
    assert outcome.created
    assert world.asked == [(HERE, True, {"a": "b"})]
    deployment = outcome.deployment
    assert (deployment.http_version, deployment.sdk_version) == ("HTTP/1.1", "sdk/1")
    assert world.revisions() == {"S": 1}
    again = RegistryKeeper(world.document, SystemClock(), Defaults())
    assert again.registry.deployments == {deployment.id: deployment}


@pytest.mark.parametrize("endpoint", [HERE, "https://host:9080/", "http://HOST:9080/"])
def test_a_known_address_is_not_asked_again(endpoint):
    world = World()
    first = world.register().deployment
    outcome = world.register(endpoint)
    assert (outcome.deployment, outcome.created, len(world.asked)) == (first, False, 1)


def test_a_known_address_is_discovered_anew_by_force():
    world = World()
    world.services = [service("S"), service("T")]
    first = world.register().deployment
    world.services = [service("S", ServiceType.VIRTUAL_OBJECT)]
    outcome = world.register(force=True)
    assert outcome.deployment.id == first.id
    assert not outcome.created
    assert world.revisions() == {"S": 2}


def test_another_address_brings_the_next_revisions():
    world = World()
    world.register()
    assert world.register("http://other/").created
    assert world.revisions() == {"S": 2}


def test_a_dry_run_changes_nothing():
    world = World()
    outcome = world.register(dry_run=True)
    assert outcome.created
    assert world.revisions() == {}


def test_a_service_keeps_its_type_unless_it_may_break():
    world = World()
    world.register()
    world.services = [service("S", ServiceType.WORKFLOW)]
    with pytest.raises(RegistrationError) as refused:
        world.register("http://other/")
    assert refused.value.code == "META0006"
    assert world.register("http://other/", breaking=True).created


def test_headers_are_changed_without_asking():
    world = World()
    deployment = world.register().deployment
    changed = world.amend(deployment.id, additional_headers={"k": "v"}).deployment
    assert (changed.additional_headers, len(world.asked)) == ({"k": "v"}, 1)


def test_a_deployment_moves_and_keeps_its_revisions():
    world = World()
    deployment = world.register().deployment
    moved = world.amend(deployment.id, endpoint="http://other/").deployment
    assert (moved.id, moved.endpoint, moved.revisions) == (deployment.id, "http://other/", {"S": 1})


@pytest.mark.parametrize("change", [{"endpoint": "http://other/"}, {}])
def test_what_a_deployment_serves_now_is_taken_only_if_asked_for(change):
    world = World()
    deployment = world.register().deployment
    world.services = [service(handlers=("h", "more"))]
    world.amend(deployment.id, **change)
    assert world.keeper.registry.handler("S", "more") is None
    world.amend(deployment.id, overwrite=True, **change)
    assert world.keeper.registry.handler("S", "more") is not None
    assert world.revisions() == {"S": 1}


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (False, {"use_http_11": True}, "HTTP/1.1"),
        (True, {"use_http_11": False}, "HTTP/2.0"),
        (True, {"overwrite": True}, "HTTP/1.1"),
        (True, {"endpoint": "http://other/"}, "HTTP/2.0"),
    ],
)
def test_a_deployment_is_asked_over_the_version_of_http_that_is_named(before, change, after):
    world = World()
    deployment = world.register(use_http_11=before).deployment
    assert world.amend(deployment.id, **change).deployment.http_version == after


def test_a_deployment_does_not_move_to_less_than_it_served():
    world = World()
    deployment = world.register().deployment
    world.services = [service("T")]
    with pytest.raises(RegistrationError, match="does not serve S/h") as refused:
        world.amend(deployment.id, endpoint="http://other/")
    assert refused.value.code == "META0016"
    world.amend(deployment.id, endpoint="http://other/", overwrite=True)
    assert world.revisions() == {"T": 1}


def test_a_deployment_does_not_move_to_other_versions_of_the_protocol():
    world = World()
    deployment = world.register().deployment
    world.versions = (6, 7)
    with pytest.raises(RegistrationError) as refused:
        world.amend(deployment.id, endpoint="http://other/")
    assert refused.value.code == "META0016"


def test_a_removed_deployment_takes_its_services_along():
    world = World()
    deployment = world.register().deployment
    world.registrar.remove(deployment.id)
    assert world.revisions() == {}
    with pytest.raises(LookupError):
        world.registrar.remove(deployment.id)


def test_by_force_it_must_be_clear_which_deployment_is_meant():
    world = World()
    world.register()
    moved = world.register("http://other/").deployment
    world.amend(moved.id, endpoint=HERE)
    with pytest.raises(RegistrationError, match="several deployments") as refused:
        world.register(force=True)
    assert refused.value.code == "META0017"
    assert not world.register().created


def test_functions_are_told_apart_by_their_names():
    world = World()
    one, two = (f"arn:aws:lambda:eu-central-1:123456789012:function:{name}:1" for name in "ab")
    first = world.register(one, assume_role_arn="arn:aws:iam::123456789012:role/r").deployment
    assert world.register(two).created
    assert world.register(one).deployment == first
    assert first.assume_role_arn == "arn:aws:iam::123456789012:role/r"
    again = RegistryKeeper(world.document, SystemClock(), Defaults())
    assert again.registry.deployments[first.id] == first


def test_each_endpoint_is_asked_by_whoever_reaches_it():
    http, functions = World(), World()
    asking = Discoverers({"http": http, "arn": functions})
    asyncio.run(asking.discover(Location(endpoint=HERE)))
    asyncio.run(asking.discover(Location(endpoint="arn:aws:lambda:x")))
    assert [each[0] for each in http.asked] == [HERE]
    assert [each[0] for each in functions.asked] == ["arn:aws:lambda:x"]
    with pytest.raises(DiscoveryError, match=r"ftp://host/.*http, arn") as refused:
        asyncio.run(asking.discover(Location(endpoint="ftp://host/")))
    assert refused.value.code == "META0003"
