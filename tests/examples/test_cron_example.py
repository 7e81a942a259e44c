import asyncio

from example_support import ask, play, serving, until
from examples.cron import app


def test_a_job_comes_round_so_many_times_and_ends(tmp_path, capsys):
    async def scenario(client):
        await ask(client, "/Cron/backup/start", {"every_s": 0.05, "rounds_max": 3})
        await until(status_of(client), lambda status: status == ended(3))
        rounds = [line.strip() for line in capsys.readouterr().out.splitlines()]
        assert rounds == [f"backup, round {number}" for number in (1, 2, 3)]

    play(app, tmp_path, scenario)


def test_a_job_goes_on_after_a_restart_and_stops_when_told(tmp_path):
    async def scenario():
        async with serving(app, tmp_path) as client:
            await ask(client, "/Cron/backup/start", {"every_s": 0.05})
            await until(status_of(client), lambda status: status["rounds"] >= 1)
        async with serving(app, tmp_path) as client:
            before = (await ask(client, "/Cron/backup/status"))["rounds"]
            await until(status_of(client), lambda status: status["rounds"] > before)
            await ask(client, "/Cron/backup/stop")
            stopped = await ask(client, "/Cron/backup/status")
            assert stopped == ended(stopped["rounds"])

    asyncio.run(scenario())


def test_a_new_plan_replaces_the_old_one(tmp_path):
    async def scenario(client):
        await ask(client, "/Cron/backup/start", {"every_s": 3600})
        await ask(client, "/Cron/backup/start", {"every_s": 0.01, "rounds_max": 1})
        await until(status_of(client), lambda status: status == ended(1))

    play(app, tmp_path, scenario)


def test_rounds_can_only_be_begun_by_the_job_itself(tmp_path):
    async def scenario(client):
        response = await client.post("/Cron/backup/come_round", json={"number": 9, "planned_s": 0})
        assert response.status_code == 400

    play(app, tmp_path, scenario)


def status_of(client):
    return lambda: ask(client, "/Cron/backup/status")


def ended(rounds):
    return {"active": False, "rounds": rounds}
