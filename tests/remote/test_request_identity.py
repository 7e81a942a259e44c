"""Request identity between server and services: several keys, and keys that change meanwhile."""

from __future__ import annotations

import pytest
from asgi_services import greeting_app, hosted
from remote_world import eventually, play, serving
from test_identity_keys import ONE, THREE, TWO, public


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.pem"
    path.write_bytes(ONE)
    return path


def official_app(identity_keys: list[str]):
    restate = pytest.importorskip("restate", reason="restate-sdk is not installed")
    tools = restate.Service("Tools")

    @tools.handler()
    async def greet(ctx, name: str) -> str:
        return f"Hello {name}"

    return restate.app([tools], identity_keys=identity_keys)


@pytest.mark.parametrize("app", [greeting_app, official_app])
def test_services_answer_the_server_that_they_know(keys, app):
    async def scenario():
        async with (
            serving(identity_key_file=keys) as world,
            hosted(app([public(TWO), public(ONE)])) as authority,
        ):
            assert world.runtime.public_keys == [public(ONE)]
            await world.registered(f"http://{authority}")
            assert (await world.call("/Tools/greet", "Ada")).json() == "Hello Ada"

    play(scenario())


@pytest.mark.parametrize("app", [greeting_app, official_app])
def test_services_refuse_whom_they_do_not_know(keys, app):
    async def scenario():
        async with (
            serving(identity_key_file=keys) as world,
            serving() as anonymous,
            hosted(app([public(TWO)])) as authority,
        ):
            for asking in (world, anonymous):
                refused = await asking.register(f"http://{authority}")
                assert refused.status_code == 500
                assert refused.json()["restate_code"] == "META0003"
                assert "HTTP status 401" in refused.json()["message"]

    play(scenario())


@pytest.mark.parametrize("app", [greeting_app, official_app])
def test_each_service_is_asked_with_the_key_that_it_knows(keys, app):
    async def scenario():
        keys.write_bytes(ONE + TWO + THREE)
        async with (
            serving(identity_key_file=keys) as world,
            hosted(app([public(THREE)])) as authority,
        ):
            await world.registered(f"http://{authority}")
            assert (await world.call("/Tools/greet", "Ada")).json() == "Hello Ada"

    play(scenario())


def test_keys_are_replaced_while_the_server_runs(keys):
    """First the server gets another key, and then the service that knew only the old one."""

    async def scenario():
        async with serving(identity_key_file=keys) as world:
            async with hosted(greeting_app([public(ONE)])) as authority:
                await world.registered(f"http://{authority}")
                keys.write_bytes(TWO)
                await eventually(
                    lambda: world.call("/Tools/greet/send", "Ada"),
                    lambda _: world.runtime.public_keys == [public(TWO)],
                )
                invocation = await world.send("/Tools/greet", "Ada")
                shown = await eventually(
                    lambda: world.shown(invocation), lambda each: "last_failure" in each
                )
                assert shown["last_failure_error_code"] == "RT0012"
                assert "does not recognise this server" in shown["last_failure"]
            port = int(authority.rpartition(":")[2])
            async with hosted(greeting_app([public(TWO)]), port=port):
                assert (await world.result(invocation)).json() == "Hello Ada"

    play(scenario())


def test_a_service_changes_its_keys_while_the_server_has_both(keys):
    async def scenario():
        keys.write_bytes(ONE + TWO)
        async with serving(identity_key_file=keys) as world:
            async with hosted(greeting_app([public(ONE)])) as authority:
                await world.registered(f"http://{authority}")
            port = int(authority.rpartition(":")[2])
            async with hosted(greeting_app([public(TWO)]), port=port):
                assert (await world.call("/Tools/greet", "Ada")).json() == "Hello Ada"

    play(scenario())
