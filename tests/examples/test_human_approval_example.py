import asyncio

from example_support import ask, play, serving, until
from examples.human_approval import app

LATHE = {"who": "ada", "what": "a lathe", "euros": 900}


def test_petty_sums_are_paid_at_once(tmp_path, capsys):
    async def scenario(client):
        decision = await ask(client, "/Expense/e-1/run", {**LATHE, "euros": 9})
        assert decision == {"granted": True, "by": "nobody"}
        assert capsys.readouterr().out.strip() == "pay 9 euros to ada"

    play(app, tmp_path, scenario)


def test_a_manager_grants_also_after_a_restart(tmp_path, capsys):
    async def scenario():
        async with serving(app, tmp_path) as client:
            await ask(client, "/Expense/e-1/run/send", LATHE)
            awakeable = await awakeable_of(client)
        async with serving(app, tmp_path) as client:
            decision = {"granted": True, "by": "joan"}
            await ask(client, f"/restate/awakeables/{awakeable}/resolve", decision)
            attached = await client.get("/restate/workflow/Expense/e-1/attach")
            assert attached.json() == decision
            assert (await ask(client, "/Expense/e-1/status"))["stage"] == "paid"
        assert "pay 900 euros to ada" in capsys.readouterr().out

    asyncio.run(scenario())


def test_a_refusal_pays_nothing(tmp_path, capsys):
    async def scenario(client):
        await ask(client, "/Expense/e-1/run/send", LATHE)
        awakeable = await awakeable_of(client)
        refusal = {"granted": False, "by": "joan"}
        await ask(client, f"/restate/awakeables/{awakeable}/resolve", refusal)
        attached = await client.get("/restate/workflow/Expense/e-1/attach")
        assert attached.json() == refusal
        assert "pay" not in capsys.readouterr().out

    play(app, tmp_path, scenario)


async def awakeable_of(client):
    status = await until(
        lambda: ask(client, "/Expense/e-1/status"), lambda status: status["awakeable"] is not None
    )
    return status["awakeable"]
