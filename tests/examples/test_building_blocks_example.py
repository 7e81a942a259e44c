import time

import pytest
from example_support import ONE_SLOT, ask, play, until
from examples.building_blocks import app


@pytest.mark.parametrize("settings", [{}, ONE_SLOT], ids=["many slots", "one slot"])
@pytest.mark.parametrize(
    ("handler", "result"),
    [
        ("steps", ["hello plain", "hello patient", "hello stubborn"]),
        ("failures", "refused with 403: not for you; given up after two attempts"),
        ("timers", "the fast one was first"),
        ("together", ["hello first", "hello second", "hello third"]),
        ("races", "hello quick"),
        ("plain_asyncio", ["hello left", "hello right", "timed out"]),
        ("awakeables", "hello from another handler; nobody wants this"),
        ("signals", "nudged"),
    ],
)
def test_a_block_does_what_its_docstring_says(tmp_path, handler, result, settings):
    async def scenario(client):
        assert await ask(client, f"/Tour/{handler}") == result

    play(app, tmp_path, scenario, settings)


def test_chance_and_time(tmp_path):
    async def scenario(client):
        drawn = await ask(client, "/Tour/chance")
        assert len(drawn["id"]) == 36
        assert 1 <= drawn["dice"] <= 6
        assert drawn["seconds_since_1970"] == pytest.approx(time.time(), abs=60)

    play(app, tmp_path, scenario)


def test_calls_by_handler_and_by_name(tmp_path):
    async def scenario(client):
        assert await ask(client, "/Tour/calls", "ada") == [
            "hello ada",
            ["was called"],
            "hello ada",
        ]

    play(app, tmp_path, scenario)


def test_messages_arrive_in_order_and_in_time(tmp_path):
    async def scenario(client):
        await ask(client, "/Tour/messages", "ada")
        await until(lambda: ask(client, "/Notes/ada/read"), lambda lines: len(lines) == 2)
        assert await ask(client, "/Notes/ada/read") == ["now", "later"]

    play(app, tmp_path, scenario)


def test_invocations_are_attached_to_and_cancelled(tmp_path):
    async def scenario(client):
        greeted, cancelled = await ask(client, "/Tour/invocations", "ada")
        assert greeted == "hello ada"
        assert "cancel" in cancelled.lower()

    play(app, tmp_path, scenario)


def test_the_parts_of_a_request(tmp_path):
    async def scenario(client):
        parts = await ask(client, "/Tour/request_parts", headers={"x-colour": "blue"})
        assert parts["id"].startswith("inv_")
        assert parts["colour"] == "blue"

    play(app, tmp_path, scenario)


def test_state_is_read_written_and_cleared(tmp_path):
    async def scenario(client):
        assert await ask(client, "/Notes/ada/state", "one") == {
            "key": "ada",
            "names": ["draft", "lines"],
            "lines": ["one"],
        }
        assert await ask(client, "/Notes/ada/read") == ["one"]
        await ask(client, "/Notes/ada/burn")
        assert await ask(client, "/Notes/ada/read") == []

    play(app, tmp_path, scenario)


def test_a_promise_opens_the_lock_once(tmp_path):
    async def scenario(client):
        await ask(client, "/Lock/door/run/send")
        assert (await client.post("/Lock/door/open", json="abc")).status_code == 400
        assert await ask(client, "/Lock/door/open", "1234") is True
        assert await ask(client, "/Lock/door/open", "5678") is False
        attached = await client.get("/restate/workflow/Lock/door/attach")
        assert attached.json() == "door opened with 1234"

    play(app, tmp_path, scenario)
