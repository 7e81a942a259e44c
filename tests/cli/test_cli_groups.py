"""Commands are found by name, alias and the start of either; the list of commands is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize(
    ("missing", "words", "needs"),
    [
        ("click", ["--help"], "the command line needs click"),
        ("watchfiles", ["dev", "shop:app"], "perdure dev needs watchfiles"),
        ("starlette.applications", ["server"], "perdure server needs starlette.applications"),
    ],
)
def test_what_is_not_installed_is_told_by_the_command(missing, words, needs):
    program = (
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        f"sys.argv = ['perdure', *{words!r}]\n"
        "from perdure.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (EXIT_USAGE, "")
    assert done.stderr == f'error: {needs}, which is not installed: pip install "perdure[server]"\n'


#: Lines that people who know the official command line have in their fingers and scripts.
FAMILIAR = """
up
whoami -vvv -q
svc ls --public-only --extra -w -n 2
services get Greeter --watch --interval 0.5
svc status Greeter --locked-keys-limit 1 --locked-key-held-threshold-second 2
svc status --sample-invocations-limit 3
services config view Greeter
services config edit Greeter
services config patch Greeter --public true --idempotency-retention 1d --abort-timeout 1m
services config patch Flow --workflow-completion-retention 1d --journal-retention 2d
services config patch Greeter --inactivity-timeout 5s
dp ls --extra -w
deployments discover http://localhost:9080 --breaking --force --use-http1.1
dep register 9080 --extra-header a=b --metadata c=d -y
dp add arn:aws:lambda:eu-central-1:1:function:f:1 --assume-role-arn arn:aws:iam::1:role/r
deployments get dp_1 --extra
deployments rm dp_1 --force
kc ls -w
kc create c bootstrap.servers=x:1 -f pyproject.toml --edit
kc get c
kafka-clusters edit c
kafka-clusters patch c --set a=b --unset d -f pyproject.toml
kc rm c --force
sub ls --source kafka://c/t --sink service://A/b
sub create kafka://c/t service://A/b group.id=g
sub get sub_1
sub rm sub_1
inv ls --service A --handler b --all --status running --completion-result failure
inv ls --deployment dp_1 --virtual-objects-only --key k --limit 5 --zombie --oldest-first -w
invocations get inv_1 -w
inv cancel Greeter --kill --limit 5
inv kill Greeter/greet --limit 5 --yes
inv rm Counter/k
inv restart inv_1
inv restart-as-new Greeter/greet --limit 3
inv resume inv_1 --deployment latest
inv pause Greeter
sql --jsonl select
sql --json select -w -n 5
st get Counter k --binary --plain
state get Counter k -p -w
state edit Counter k --binary -f
state patch Counter k --binary --force --patch []
state patch Counter k -p []
state clear Counter/k --force
compl generate bash
completions install zsh
config list-env
config use-env prod
config view
config edit
-e prod --time-format rfc2822 --table-style borders inv ls --connect-timeout 1 --request-timeout 2
""".strip().splitlines()


@pytest.mark.parametrize("line", FAMILIAR)
def test_what_fingers_and_scripts_know_is_understood(line):
    ran = User().runs(*line.split(), "--help")
    assert (ran.code, ran.err) == (0, "")


#: The commands that ours are to be understood like: name, aliases, and flags.
REFERENCE = (Path(__file__).parent / "reference_commands.txt").read_text().splitlines()


@pytest.mark.parametrize("line", REFERENCE)
def test_every_command_alias_and_flag_of_the_reference_is_there(line):
    names, _, flags = line.partition(": ")
    name, *aliases = names.split(", ")
    path = name.split()
    found = find(path)
    assert found is not None
    for alias in aliases:
        assert find([*path[:-1], alias]).name == found.name
    options = {word for each in found.get_params(click.Context(found)) for word in each.opts}
    assert set(flags.split()) <= options


def find(path):
    """Give the command of this name or alias."""
    command = cli
    for word in path:
        command = command.get_command(click.Context(command), word)
    return command


@pytest.mark.parametrize("line", ["cloud", "c login", "cloud env tunnel -r 8080 --no-local"])
def test_a_cloud_is_not_here(line):
    ran = User().runs(*line.split())
    assert ran.code == EXIT_USAGE
    assert ran.err.startswith("error: there is no cloud of ours: run `perdure server`")
    assert ran.err.count("\n") == 1
    assert "cloud" not in User().runs("--help").out


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_told(option):
    ran = User().runs(option)
    assert ran.code == 0
    assert re.fullmatch(r"perdure, version \d+\.\d+\.\d+\S*\n", ran.out)
