"""The same services, and what must come of them, with each SDK on each server."""

from __future__ import annotations

import sys
import uuid
from typing import NamedTuple

import pytest
from interop_peer import MissingError, OfficialPeerV7, restate_server
from peer_languages import LANGUAGES, Language
from peer_processes import Services, World, eventually, registered, running

pytestmark = pytest.mark.timeout(120, func_only=True)


def perdure_serve(port: int, _app: str, _http1: bool) -> list[str]:
    serve = [sys.executable, "-m", "perdure", "serve", "perdure_conformance:app"]
    return [*serve, "--port", str(port)]


OURS = Language("perdure", lambda: None, perdure_serve, lambda _url, _key: [])
BY_NAME = {language.name: language for language in [OURS, *LANGUAGES]}
WAYS = [
    (BY_NAME[name], way)
    for name, way in [
        ("python", "http2"),
        ("python", "official"),
        ("typescript", "impatient"),
        ("perdure", "http2"),
        ("perdure", "official"),
    ]
    if name in BY_NAME
]


class Addresses(NamedTuple):
    """Where the official server is."""

    ingress: str
    admin: str


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0].name}-{way[1]}")
def world(request, tmp_path_factory, built):
    language, way = request.param
    built(language)
    folder = tmp_path_factory.mktemp(f"{language.name}-{way}")
    if way != "official":
        with running(language, way, folder, app="conformance") as world:
            yield world
        return
    try:
        restate_server()
    except MissingError as missing:
        pytest.skip(str(missing))
    with OfficialPeerV7(folder) as peer, Services(language, folder, "conformance") as services:
        addresses = (f"http://127.0.0.1:{port}" for port in (peer.port, peer.admin_port))
        yield registered(World(language, Addresses(*addresses), services, suspends=False))


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def blocked(world: World, key: str, waiting: str) -> str:
    """Give the invocation that waits for one that waits in this way."""
    invocation_id = world.submit(f"/Errand/{key}/start", waiting)
    eventually(lambda: world.call(f"/Post/{key}/reached").json, expected=True)
    return invocation_id


@pytest.mark.parametrize("by", ["admin", "handler"])
@pytest.mark.parametrize("waiting", ["sleep", "awakeable", "call"])
def test_cancelling_frees_all_below(world: World, key: str, waiting: str, by: str):
    invocation_id = blocked(world, key, waiting)
    if by == "admin":
        assert world.patch(invocation_id, "cancel") == 202
    else:
        assert world.call("/Tools/stop", invocation_id).status in (200, 204)
    assert world.attach(invocation_id).status == 409
    assert world.call(f"/Post/{key}/free").json == "free"
    assert world.call(f"/Errand/{key}/failure").json == 409


@pytest.mark.parametrize("waiting", ["sleep", "call"])
def test_killing_frees_all_below(world: World, key: str, waiting: str):
    invocation_id = blocked(world, key, waiting)
    assert world.patch(invocation_id, "kill") in (200, 202)
    assert world.attach(invocation_id).status == 409
    assert world.call(f"/Post/{key}/free").json == "free"


@pytest.mark.parametrize("metadata", [{}, {"key1": "value1", "key2": "value2"}], ids=len)
@pytest.mark.parametrize("handler", ["fail", "call", "run"])
def test_failures_reach_the_caller(world: World, key: str, handler: str, metadata: dict[str, str]):
    answer = world.call(f"/Failing/{key}/{handler}", {"message": "my error", "metadata": metadata})
    assert answer.status == 500
    assert answer.json["message"] == "my error"
    assert answer.json.get("metadata", {}) == metadata
    # What was set before the failure is kept.
    assert world.call(f"/Failing/{key}/failed").json is (handler != "call")


def test_an_error_because_of_a_terminal_one_is_terminal(world: World, key: str):
    if world.language.name == "typescript":
        pytest.skip("the SDK looks at no causes")
    assert world.call(f"/Failing/{key}/wrap", {"message": "my error"}).status == 500
    assert world.call(f"/Failing/{key}/failed").json is True


@pytest.mark.parametrize("handler", ["other_key", "other_target", "other_call", "other_command"])
def test_a_handler_that_does_something_else_is_stopped(world: World, key: str, handler: str):
    answer = world.call(f"/Fickle/{key}/{handler}")
    assert (answer.status, answer.json["code"]) == (570, 570)
    assert world.call(f"/Notes/{key}/texts").json == []


@pytest.mark.parametrize("kinds", ["csscsc", "ssss", "cccc"])
def test_calls_and_sends_arrive_in_order(world: World, key: str, kinds: str):
    steps = [
        {"kind": "call" if kind == "c" else "send", "text": f"{number}"}
        for number, kind in enumerate(kinds)
    ]
    later = {"kind": "send", "text": "later", "milliseconds": 200}
    assert world.call("/Tools/dictate", {"key": key, "steps": [later, *steps]}).status in (200, 204)
    expected = [*(step["text"] for step in steps), "later"]
    eventually(lambda: world.call(f"/Notes/{key}/texts").json, expected)


def test_the_first_that_succeeds(world: World):
    assert world.call("/Tools/first_good").json == "good"
