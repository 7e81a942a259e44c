import asyncio
import re

from example_support import ask, play, serving, until
from examples.workflow import app

APPLICANT = {"name": "Ada", "mail": "ada@example.org"}


def test_the_code_opens_the_account_also_after_a_restart(tmp_path, capsys):
    async def scenario():
        async with serving(app, tmp_path) as client:
            await ask(client, "/SignUp/ada/run/send", APPLICANT)
            code = await mailed_code(capsys)
            await status_is(client, "waiting for the code")
        async with serving(app, tmp_path) as client:
            await ask(client, "/SignUp/ada/confirm", code)
            assert await attached(client) is True
            await status_is(client, "open")

    asyncio.run(scenario())


def test_a_wrong_code_ends_it(tmp_path, capsys):
    async def scenario(client):
        await ask(client, "/SignUp/ada/run/send", APPLICANT)
        await mailed_code(capsys)
        await ask(client, "/SignUp/ada/confirm", "wrong")
        assert await attached(client) is False
        await status_is(client, "given up")

    play(app, tmp_path, scenario)


def test_a_second_code_is_a_conflict(tmp_path):
    async def scenario(client):
        await ask(client, "/SignUp/ada/confirm", "first")
        second = await client.post("/SignUp/ada/confirm", json="second")
        assert second.status_code == 409

    play(app, tmp_path, scenario)


def test_it_runs_once_for_a_key(tmp_path):
    async def scenario(client):
        first = await ask(client, "/SignUp/ada/run/send", APPLICANT)
        again = await ask(client, "/SignUp/ada/run/send", APPLICANT)
        assert again == {**first, "status": "PreviouslyAccepted"}
        assert (await client.post("/SignUp/ada/run", json=APPLICANT)).status_code == 409

    play(app, tmp_path, scenario)


async def mailed_code(capsys):
    output = ""

    async def read():
        nonlocal output
        output += capsys.readouterr().out
        return re.search(r"your code is (\w+)", output)

    return (await until(read, lambda match: match is not None))[1]


async def status_is(client, wanted):
    await until(lambda: ask(client, "/SignUp/ada/status"), lambda status: status == wanted)


async def attached(client):
    return (await client.get("/restate/workflow/SignUp/ada/attach")).json()
