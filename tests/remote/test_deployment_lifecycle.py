"""Deployments that come and go: who runs where, and what moves when an operator says so."""

from __future__ import annotations

from remote_world import eventually, play, serving
from scripted_service import good, manifest, said, scripted

from perdure.protocol.messages import (
    Completion,
    End,
    Error,
    Future,
    Output,
    Run,
    SetState,
    Suspension,
    Value,
)


def answering(word: str):
    """Make a behaviour that answers with a word."""

    async def behave(stream):
        await stream.input()
        stream.head()
        stream.say(said(Output(Value(f'"{word}"'.encode())), End()), end=True)

    return behave


def waiting_for_signal(word: str):
    """Make a behaviour that begins a journal, waits for a signal, and answers with a word."""

    async def behave(stream):
        await stream.input()
        stream.head()
        if any(isinstance(message, Completion | Run) for message in stream.heard):
            stream.say(said(Output(Value(f'"{word}"'.encode())), End()), end=True)
        else:
            stream.say(said(Run(1), Suspension(Future((1,), (17,)))), end=True)

    return behave


async def failing_after_a_step(stream):
    await stream.input()
    stream.head()
    known = [message for message in stream.heard if isinstance(message, Run)]
    stream.say(said(*([] if known else [Run(1)]), Error(500, "not here")), end=True)


def test_new_work_goes_to_the_newest_and_old_work_drains_where_it_began():
    async def scenario():
        async with (
            serving() as world,
            scripted(waiting_for_signal("old")) as old,
            scripted(answering("new")) as new,
        ):
            first = await world.registered(old.url)
            begun = await world.send("/S/h", 1)
            await eventually(lambda: world.status(begun), "suspended")
            await world.registered(new.url)
            assert (await world.call("/S/h", 1)).json() == "new"
            assert (await world.shown(begun))["pinned_deployment_id"] == first
            assert (await world.ask("PATCH", f"/invocations/{begun}/resume")).status_code == 200
            assert (await world.result(begun)).json() == "old"

    play(scenario())


def test_an_invocation_resumes_on_another_deployment():
    async def scenario():
        async with (
            serving() as world,
            scripted(waiting_for_signal("old")) as old,
            scripted(waiting_for_signal("new")) as new,
        ):
            first = await world.registered(old.url)
            begun = await world.send("/S/h", 1)
            await eventually(lambda: world.status(begun), "suspended")
            second = await world.registered(new.url)
            resume = f"/invocations/{begun}/resume?deployment="
            assert (await world.ask("PATCH", resume + "nonsense")).status_code == 400
            assert (await world.ask("PATCH", resume + second)).status_code == 200
            assert (await world.result(begun)).json() == "new"
            assert first != second

    play(scenario())


def test_work_that_lost_its_deployment_waits_and_can_be_resumed_elsewhere():
    async def scenario():
        async with (
            serving() as world,
            scripted(failing_after_a_step) as old,
            scripted(waiting_for_signal("new")) as new,
        ):
            policy = {"retryPolicyMaxAttempts": 1_000_000}
            old.manifest = manifest({"name": "h"} | policy)
            first = await world.registered(old.url)
            begun = await world.send("/S/h", 1)
            await eventually(
                lambda: world.shown(begun), lambda each: each.get("pinned_deployment_id") == first
            )
            path = f"/deployments/{first}"
            assert (await world.ask("DELETE", path)).status_code == 501
            assert (await world.ask("DELETE", f"{path}?force=true")).status_code == 202
            assert (await world.call("/S/h", 1)).status_code == 404
            await eventually(
                lambda: world.shown(begun),
                lambda each: each.get("last_failure_error_code") == "RT0011",
            )
            await world.registered(new.url)
            pause = f"/invocations/{begun}/pause"
            assert (await world.ask("PATCH", pause)).status_code in (200, 202)
            await eventually(lambda: world.status(begun), "paused")
            resume = f"/invocations/{begun}/resume?deployment=latest"
            assert (await world.ask("PATCH", resume)).status_code == 200
            assert (await world.result(begun)).json() == "new"

    play(scenario())


def test_a_deployment_moves_to_another_address_with_all_that_runs_on_it():
    async def scenario():
        async with (
            serving() as world,
            scripted(waiting_for_signal("old")) as old,
            scripted(waiting_for_signal("new")) as new,
        ):
            first = await world.registered(old.url)
            begun = await world.send("/S/h", 1)
            await eventually(lambda: world.status(begun), "suspended")
            moved = await world.ask("PATCH", f"/deployments/{first}", {"uri": new.url})
            assert moved.status_code == 200, moved.text
            assert moved.json()["uri"] == f"{new.url}/"
            assert [each["revision"] for each in moved.json()["services"]] == [1]
            assert (await world.ask("PATCH", f"/invocations/{begun}/resume")).status_code == 200
            assert (await world.result(begun)).json() == "new"

    play(scenario())


def test_a_move_that_would_break_is_refused_and_changes_nothing():
    async def scenario():
        async with (
            serving() as world,
            scripted(good) as here,
            scripted(answering("there")) as there,
        ):
            first = await world.registered(here.url)
            path = f"/deployments/{first}"
            there.manifest = manifest({"name": "other"})
            refused = await world.ask("PATCH", path, {"uri": there.url})
            assert (refused.status_code, refused.json()["restate_code"]) == (409, "META0016")
            there.manifest = manifest(minProtocolVersion=6)
            refused = await world.ask("PATCH", path, {"uri": there.url})
            assert (refused.status_code, refused.json()["restate_code"]) == (409, "META0016")
            assert (await world.call("/S/h", 1)).json() == "good"
            there.manifest = manifest({"name": "other"})
            dry = {"uri": there.url, "overwrite": True, "dry_run": True}
            assert (await world.ask("PATCH", path, dry)).status_code == 200
            assert (await world.call("/S/h", 1)).json() == "good"
            moved = await world.ask("PATCH", path, {"uri": there.url, "overwrite": True})
            assert moved.status_code == 200
            assert (await world.call("/S/other", 1)).json() == "there"
            assert (await world.call("/S/h", 1)).status_code == 404

    play(scenario())


def test_what_was_admitted_without_the_lock_never_writes_state():
    """A handler becomes exclusive while an invocation of it that was shared is tried again."""

    async def busy(stream):
        await stream.input()
        stream.head(503, None, retry_after="60")

    async def writes(stream):
        await stream.input()
        stream.head()
        stream.say(said(SetState(b"k", Value(b"1")), Output(Value(b'"wrote"')), End()), end=True)

    def of_type(handler_type: str) -> dict:
        handlers = [{"name": "h", "ty": handler_type}]
        return manifest(services=[{"name": "O", "ty": "VIRTUAL_OBJECT", "handlers": handlers}])

    async def scenario():
        async with serving() as world, scripted(busy) as old, scripted(writes) as new:
            old.manifest, new.manifest = of_type("SHARED"), of_type("EXCLUSIVE")
            await world.registered(old.url)
            begun = await world.send("/O/k/h", 1)
            await eventually(lambda: world.status(begun), "backing-off")
            await world.registered(new.url)
            assert (await world.ask("PATCH", f"/invocations/{begun}/resume")).status_code == 200
            await eventually(
                lambda: world.shown(begun),
                lambda each: each.get("last_failure_error_code") == "RT0017",
            )
            assert (await world.call("/O/k/h", 1)).json() == "wrote"

    play(scenario())


def test_headers_of_a_deployment_travel_with_each_request():
    async def scenario():
        async with serving() as world, scripted(good) as service:
            first = await world.registered(service.url, additional_headers={"X-Team": "a"})
            await world.call("/S/h", 1)
            body = {"additional_headers": {"x-team": "b"}}
            assert (await world.ask("PATCH", f"/deployments/{first}", body)).status_code == 200
            await world.call("/S/h", 1)
            assert [stream.headers["x-team"] for stream in service.streams] == ["a", "b"]
            assert {each.headers["x-restate-cluster-name"] for each in service.streams} == {
                "localcluster"
            }

    play(scenario())
