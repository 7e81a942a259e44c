from __future__ import annotations

import asyncio

import pytest
from partitions import APP, Server
from scripted_host import COUNTER, GREETER, ScriptedHost, handler, manifest, service
from virtual_time import VirtualClock

from perdure.core.model.deployments import Defaults, with_deployment
from perdure.core.model.manifest_checks import RegistrationError
from perdure.core.model.overrides import Overrides
from perdure.core.model.revisions import reconfigured
from perdure.core.model.rules import RuleBook
from perdure.engine.configurator import Configurator
from perdure.engine.ports import StorageError
from perdure.engine.registry import RegistryKeeper
from perdure.links.errors import LinkLostError
from perdure.links.following import follow
from perdure.storage.document import MemoryDocument

ELSEWHERE = manifest(service("Mailer", handler("send")))


def names(keeper: RegistryKeeper) -> list[str]:
    return sorted(keeper.registry.services)


def add(keeper: RegistryKeeper) -> None:
    """Register a deployment elsewhere."""
    deployment_id, now = keeper.new_id()
    address = "http://localhost:9080"
    keeper.store(with_deployment(keeper.registry, deployment_id, address, ELSEWHERE, now))


async def running() -> tuple[Server, RegistryKeeper, RegistryKeeper]:
    server = Server(ScriptedHost(), ScriptedHost())
    await server.start()
    first, second = [process.keeper for process in server.processes]
    return server, first, second


async def test_a_follower_begins_with_what_is_registered():
    server, first, second = await running()
    assert names(second) == names(first) == ["Counter", "Greeter", "Signup"]
    assert second.registry == first.registry
    assert second.edition == first.edition
    assert second.is_new
    assert second.served == {APP}
    await server.stop()


async def test_a_change_is_known_to_all_when_it_is_published():
    server, first, second = await running()
    seen = []
    second.watch(lambda registry: seen.append(sorted(registry.services)))
    add(first)
    assert names(second) == ["Counter", "Greeter", "Signup"]
    await first.published()
    assert names(second) == ["Counter", "Greeter", "Mailer", "Signup"]
    assert seen == [names(second)]
    assert second.registry == first.registry
    assert server.processes[1].engine.requests.registry == first.registry
    await server.stop()


async def test_all_kinds_of_changes_are_followed():
    server, first, second = await running()
    configurator = Configurator(first, VirtualClock())
    configurator.add_cluster("k", {"bootstrap.servers": "localhost:9092"})
    first.store_rules(RuleBook())
    first.store(reconfigured(first.registry, "Greeter", Overrides(public=False)))
    await first.published()
    assert second.sources == first.sources
    assert second.sources.clusters.keys() == {"k"}
    assert second.rule_book == first.rule_book
    assert not second.registry.services["Greeter"].public
    await server.stop()


async def test_many_changes_arrive_in_order():
    server, first, second = await running()
    for _ in range(50):
        add(first)
    await first.published()
    await first.published()
    assert second.registry == first.registry
    await second.published()
    await server.stop()


async def test_nobody_but_the_keeper_changes_the_registry():
    server, _, second = await running()
    before = second.registry
    with pytest.raises(StorageError, match="partition 0"):
        add(second)
    assert second.registry is before
    await server.stop()


async def test_processes_that_serve_something_else_are_refused():
    server, _, second = await running()
    with pytest.raises(RegistrationError, match="start the server again"):
        second.register(APP, manifest(GREETER, COUNTER))
    with pytest.raises(RegistrationError, match="start the server again"):
        second.register("in-process://other", ELSEWHERE)
    await server.stop()


async def test_what_is_published_to_the_dead_is_waited_for_no_longer():
    server, first, _ = await running()
    add(first)
    published = asyncio.ensure_future(first.published())
    await server.processes[1].crash()
    await published
    add(first)
    await first.published()
    await server.processes[0].crash()


async def test_without_a_keeper_there_is_nothing_to_follow():
    server, _, _ = await running()
    second = server.processes[1]
    await server.processes[0].crash()
    with pytest.raises(LinkLostError):
        await follow(second.links, second.clock, Defaults())
    await second.crash()


async def test_a_single_process_publishes_to_nobody():
    await RegistryKeeper(MemoryDocument(), VirtualClock(), Defaults()).published()
