"""The registry of deployments: what it takes is durable, what it refuses changes nothing."""

from __future__ import annotations

import msgspec
import pytest
from scripted_host import COUNTER, GREETER, MANIFEST, SIGNUP, handler, manifest, service
from virtual_time import VirtualClock

from perdure.core.model.deployments import Defaults
from perdure.core.model.manifest_checks import RegistrationError
from perdure.core.model.retries import RetryPolicy
from perdure.engine.ports import StorageError
from perdure.engine.registry import RegistryKeeper
from perdure.protocol.manifest import InputPayload, ServiceManifest, ServiceType
from perdure.storage.document import MemoryDocument

HERE, THERE = "inprocess://here", "inprocess://there"
#: Greeter has become an object.
CONTRADICTION = manifest(
    COUNTER,
    ServiceManifest(name="Greeter", ty=ServiceType.VIRTUAL_OBJECT, handlers=(handler("greet"),)),
)


def keeper_of(document=None, defaults=Defaults()) -> RegistryKeeper:  # noqa: B008 - immutable
    return RegistryKeeper(document or MemoryDocument(), VirtualClock(), defaults)


def revisions(keeper: RegistryKeeper) -> dict[str, int]:
    return {name: schema.revision for name, schema in keeper.registry.services.items()}


async def test_an_empty_registry_serves_nothing():
    keeper = keeper_of()
    assert keeper.registry.services == {}
    assert keeper.registry.handler("Greeter", "greet") is None


async def test_the_first_deployment_brings_the_first_revisions():
    keeper = keeper_of()
    deployment = keeper.register(HERE, MANIFEST)
    assert revisions(keeper) == {"Counter": 1, "Greeter": 1, "Signup": 1}
    assert keeper.registry.services["Greeter"].deployment_id == deployment.id
    assert deployment.endpoint == HERE


async def test_the_same_again_is_the_same_deployment():
    document = MemoryDocument()
    keeper = keeper_of(document)
    deployment = keeper.register(HERE, MANIFEST)
    version = document.load()[0]
    assert keeper.register(HERE, MANIFEST) == deployment
    assert document.load()[0] == version
    assert revisions(keeper)["Greeter"] == 1


async def test_the_same_again_is_the_same_deployment_after_a_restart():
    rich = manifest(
        service(
            "Greeter",
            handler(
                "greet",
                input=InputPayload(json_schema={"anyOf": [{"type": "number", "minimum": 0.5}]}),
                metadata={"team": "hello"},
                retry_policy_exponentiation_factor=2.0,
            ),
            documentation="Says hello.",
        )
    )
    document = MemoryDocument()
    deployment = keeper_of(document).register(HERE, rich)
    again = keeper_of(document)
    assert again.register(HERE, rich) == deployment
    assert revisions(again) == {"Greeter": 1}


async def test_what_changed_is_the_next_revision_and_the_old_one_is_kept():
    keeper = keeper_of()
    old = keeper.register(HERE, manifest(GREETER))
    grown = service("Greeter", handler("greet"), handler("wave"))
    new = keeper.register(HERE, manifest(grown))
    assert new.id != old.id
    assert keeper.registry.services["Greeter"].revision == 2
    assert keeper.registry.handler("Greeter", "wave") is not None
    assert keeper.registry.pinned[old.id, "Greeter"].revision == 1
    assert keeper.registry.handler("Greeter", "relay") is None


async def test_the_same_elsewhere_is_another_deployment():
    keeper = keeper_of()
    here = keeper.register(HERE, manifest(GREETER, COUNTER))
    there = keeper.register(THERE, manifest(GREETER))
    assert here.id != there.id
    assert keeper.registry.services["Greeter"].deployment_id == there.id
    assert keeper.registry.services["Counter"].deployment_id == here.id
    back = keeper.register(HERE, manifest(GREETER, COUNTER))
    assert back.id not in {here.id, there.id}, "it takes its services back"
    assert revisions(keeper) == {"Counter": 2, "Greeter": 3}


async def test_a_service_that_changes_its_type_is_refused_and_nothing_changes():
    document = MemoryDocument()
    keeper = keeper_of(document)
    keeper.register(HERE, manifest(GREETER))
    before, stored = keeper.registry, document.load()
    with pytest.raises(RegistrationError, match="another name") as refusal:
        keeper.register(HERE, CONTRADICTION)
    assert refusal.value.code == "META0006"
    assert keeper.registry is before
    assert document.load() == stored


async def test_a_manifest_that_contradicts_itself_is_refused():
    keeper = keeper_of()
    with pytest.raises(RegistrationError) as refusal:
        keeper.register(HERE, manifest(GREETER, GREETER))
    assert refusal.value.code == "META0013"
    with pytest.raises(RegistrationError) as refusal:
        keeper.register(HERE, manifest(GREETER, versions=(8, 9)))
    assert refusal.value.code == "META0012"
    assert keeper.registry.deployments == {}


async def test_a_change_that_cannot_be_stored_is_none():
    class FullDocument(MemoryDocument):
        def replace(self, expected_version, content):
            raise StorageError("no space left")

    keeper = keeper_of(FullDocument())
    heard = []
    keeper.watch(heard.append)
    with pytest.raises(StorageError):
        keeper.register(HERE, MANIFEST)
    assert keeper.registry.deployments == {}
    assert heard == []


async def test_watchers_hear_of_every_change_and_only_of_changes():
    keeper = keeper_of()
    heard = []
    keeper.watch(heard.append)
    keeper.register(HERE, manifest(GREETER))
    keeper.register(HERE, manifest(GREETER))
    keeper.register(HERE, manifest(GREETER, COUNTER, SIGNUP))
    assert [len(registry.services) for registry in heard] == [1, 3]
    assert heard[-1] is keeper.registry


async def test_defaults_are_the_server_s_of_now():
    document = MemoryDocument()
    keeper_of(document).register(HERE, MANIFEST)
    patient = Defaults(retry_policy=RetryPolicy(max_attempts=None), inactivity_timeout_ms=5)
    schema = keeper_of(document, patient).registry.handler("Greeter", "greet")
    assert schema.retry_policy.max_attempts is None
    assert schema.inactivity_timeout_ms == 5


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"deployments": [{"id": 1}]}', b'{"deployments": "none"}'],
)
async def test_a_document_that_cannot_be_read_is_told(content):
    document = MemoryDocument()
    document.replace(0, content)
    with pytest.raises(StorageError, match="restore the file from a backup"):
        keeper_of(document)


async def test_what_is_stored_can_be_read_by_people():
    document = MemoryDocument()
    keeper_of(document).register(HERE, manifest(GREETER))
    stored = msgspec.json.decode(document.load()[1])
    assert stored["deployments"][0]["endpoint"] == HERE
