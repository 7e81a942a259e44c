"""Manifests that contradict themselves: each is refused, and leaves nothing behind."""

from __future__ import annotations

import json

import pytest
from remote_world import play, serving
from scripted_service import manifest, scripted

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")


def schema_of(levels: int) -> bytes:
    """Give a manifest whose one handler takes lists of lists of lists."""
    text = json.dumps(manifest({"name": "h", "input": {"jsonSchema": "?"}}))
    return text.replace('"?"', "[" * levels + "]" * levels).encode()


CONTRADICTIONS = {
    "no JSON": (b"{", "META0013"),
    "no object": (b"[]", "META0013"),
    "nothing": (b"", "META0013"),
    "too deep": (b"[" * 10_000, "META0013"),
    "a schema that is too deep": (schema_of(300), "META0013"),
    "a schema without bottom": (schema_of(5_000), "META0013"),
    "no mode": (manifest(protocolMode=None), "META0013"),
    "an unknown mode": (manifest(protocolMode="BOTH"), "META0013"),
    "no range of versions": (manifest(minProtocolVersion=7, maxProtocolVersion=5), "META0013"),
    "only old versions": (manifest(minProtocolVersion=1, maxProtocolVersion=4), "META0012"),
    "only new versions": (manifest(minProtocolVersion=8, maxProtocolVersion=9), "META0012"),
    "a huge number": (manifest(maxProtocolVersion=2**80), "META0013"),
    "a negative duration": (manifest({"name": "h", "abortTimeout": -1}), "META0013"),
    "two handlers of a name": (manifest({"name": "h"}, {"name": "h"}), "META0013"),
    "two services of a name": (manifest(services=manifest()["services"] * 2), "META0013"),
    "a bad name": (manifest({"name": "no spaces"}), "META0013"),
    "an exclusive handler of a service": (manifest({"name": "h", "ty": "EXCLUSIVE"}), "META0013"),
    "a workflow's handler of a service": (manifest({"name": "h", "ty": "WORKFLOW"}), "META0013"),
    "a workflow's retention of a service": (
        manifest({"name": "h", "workflowCompletionRetention": 1}),
        "META0013",
    ),
    "a reserved name": (
        manifest(services=[{"name": "restate-x", "ty": "SERVICE", "handlers": []}]),
        "META0005",
    ),
    "a public handler of a private service": (
        manifest(
            services=[
                {
                    "name": "P",
                    "ty": "SERVICE",
                    "ingressPrivate": True,
                    "handlers": [{"name": "h", "ingressPrivate": False}],
                }
            ]
        ),
        "META0013",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_manifest_that_contradicts_itself_is_refused(name):
    given, code = CONTRADICTIONS[name]

    async def scenario():
        async with serving() as world, scripted() as service:
            service.manifest = given
            refused = await world.register(service.url)
            assert refused.status_code in (400, 500)
            assert refused.json()["restate_code"] == code
            assert (await world.ask("GET", "/deployments")).json()["deployments"] == []
            service.manifest = manifest()
            await world.registered(service.url)
            assert (await world.call("/S/h", "x")).json() == "good"

    play(scenario())
