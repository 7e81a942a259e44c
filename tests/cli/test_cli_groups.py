"""Commands are found by name, alias and the start of either; the list of commands is true."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from cli_world import Admin, User

from perdure.cli.errors import EXIT_USAGE, UsageError
from perdure.cli.groups import CommandGroup, Entry
from perdure.cli.main import cli

SERVICES = {"services": [{"name": "A", "ty": "Service", "revision": 1, "public": True}]}
SERVICES["services"][0] |= {"deployment_id": "dp_1", "handlers": []}


def commands(group=cli, path=()):
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_the_lists_of_commands_say_what_the_commands_say():
    for path, command in commands():
        if isinstance(command, CommandGroup):
            for name, entry in command.entries.items():
                loaded = command.get_command(click.Context(command), name)
                assert loaded.name == name, path
                assert loaded.help.partition("\n")[0] == entry.summary, (path, name)


@pytest.mark.parametrize(
    "words", ["services list", "svc ls", "services ls", "servi li", "svc list --json"]
)
def test_commands_may_be_named_in_several_ways(words):
    ran = User(Admin({"GET /services": SERVICES})).runs(*words.split())
    assert ran.code == 0
    assert "A" in ran.out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ser", "short for several commands: serve, server, services"),
        ("deploymnets", "did you mean deployments?"),
        ("quux", "there are dev, server"),
    ],
)
def test_an_unknown_command_is_answered_with_those_there_are(name, said):
    ran = User().runs(name, "list")
    assert ran.code == EXIT_USAGE
    assert said in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    "words",
    [
        "--admin-url http://here services list",
        "services --admin-url http://here list",
        "services list --admin-url http://here",
    ],
)
def test_global_options_stand_anywhere(words):
    admin = Admin({"GET /services": SERVICES})
    assert User(admin).runs(*words.split()).code == 0
    assert admin.headers[0]["host"] == "here"


def test_every_command_that_asks_a_server_speaks_json():
    serving = {"dev", "server", "serve"}
    for path, command in commands():
        if path[0] not in serving and not isinstance(command, click.Group):
            assert "as_json" in {option.name for option in command.params}, path


def test_help_of_all_commands_is_printed():
    for path, _ in commands():
        ran = User().runs(*path, "--help")
        assert (ran.code, ran.err) == (0, ""), path
        assert ran.out.startswith("Usage: perdure "), path


def test_help_loads_neither_a_server_nor_what_commands_need():
    program = (
        "import sys; sys.argv = ['perdure', '--help']\n"
        "from perdure.cli.main import run\n"
        "from perdure.cli.surroundings import Surroundings\n"
        "assert run(['--help'], Surroundings()) == 0\n"
        "heavy = ('httpx', 'rich', 'starlette', 'uvicorn', 'rocksdict', 'perdure.server',\n"
        "         'perdure.engine', 'perdure.core', 'perdure.admin', 'perdure.cli.commands')\n"
        "assert [name for name in sys.modules if name.startswith(heavy)] == []\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_is_not_installed_is_named():
    group = CommandGroup("g", {"x": Entry("there_is_no_such_module:x", "Do x.")})
    with pytest.raises(UsageError, match=r'there_is_no_such_module.*"perdure\[server\]"'):
        group.get_command(click.Context(group), "x")
