import asyncio

from example_support import ask, play, serving
from examples.virtual_object import app


def test_features_follow_the_role(tmp_path):
    async def scenario(client):
        assert await ask(client, "/Member/ada/profile") == profile("ada", "guest")
        await ask(client, "/Member/ada/assign", "trainer")
        await ask(client, "/Member/ada/switch", {"feature": "courses", "on": True})
        await ask(client, "/Member/ada/switch", {"feature": "news", "on": True})
        assert await ask(client, "/Member/ada/profile") == profile(
            "ada", "trainer", "courses", "news"
        )
        assert await ask(client, "/Member/ada/assign", "guest") == profile("ada", "guest", "news")

    play(app, tmp_path, scenario)


def test_a_feature_beyond_the_role_is_refused(tmp_path):
    async def scenario(client):
        response = await client.post("/Member/bob/switch", json={"feature": "accounts", "on": True})
        assert response.status_code == 403

    play(app, tmp_path, scenario)


def test_concurrent_changes_of_one_member_are_all_kept(tmp_path):
    async def scenario(client):
        names = [f"feature-{number:02}" for number in range(10)]
        await asyncio.gather(
            *(ask(client, "/Member/eve/switch", {"feature": name, "on": True}) for name in names)
        )
        assert await ask(client, "/Member/eve/profile") == profile("eve", "guest", *names)

    play(app, tmp_path, scenario)


def test_state_outlives_the_process_and_ends_with_leave(tmp_path):
    async def scenario():
        async with serving(app, tmp_path) as client:
            await ask(client, "/Member/ada/assign", "trainer")
        async with serving(app, tmp_path) as client:
            assert await ask(client, "/Member/ada/profile") == profile("ada", "trainer")
            await ask(client, "/Member/ada/leave")
            assert await ask(client, "/Member/ada/profile") == profile("ada", "guest")

    asyncio.run(scenario())


def profile(name, role, *features):
    return {"name": name, "role": role, "features": list(features)}
