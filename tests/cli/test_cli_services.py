"""Commands on services, their settings and the state of their keys, against a scripted server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_world import EARLIER, INVOCATION, Admin, User, invocation

from perdure.cli.errors import EXIT_REFUSED, EXIT_USAGE
from perdure.cli.state_values import state_version

COUNTER = {
    "name": "Counter",
    "ty": "VirtualObject",
    "revision": 2,
    "public": True,
    "deployment_id": "dp_1",
    "handlers": [{"name": "get", "ty": "Shared"}, {"name": "add", "ty": "Exclusive"}],
    "journal_retention": "1d",
    "inactivity_timeout": "1m",
}
HIDDEN = COUNTER | {"name": "Hidden", "public": False, "ty": "Service"}
DEPLOYMENT = {"id": "dp_1", "uri": "http://x/", "created_at": EARLIER, "services": []}
ANSWERS = {
    "GET /services": {"services": [HIDDEN, COUNTER]},
    "GET /services/Counter": COUNTER,
    "GET /services/Hidden": HIDDEN,
    "GET /deployments/dp_1": DEPLOYMENT,
    "PATCH /services/Counter": COUNTER,
    "POST /services/Counter/state": (202, None),
}


def user(rows=None, **world) -> User:
    return User(Admin(ANSWERS, rows), **world)


def test_services_are_listed_by_name():
    assert [row["name"] for row in user().runs("svc", "ls", "--json").json] == ["Counter", "Hidden"]
    assert "Hidden" not in user().runs("svc", "ls", "--public-only").out
    assert "add, get" in user().runs("svc", "ls", "-x").out


def test_a_service_is_shown_with_its_handlers_in_order():
    ran = user().runs("services", "describe", "Counter")
    assert ran.lines[-2:] == [["add", "Exclusive"], ["get", "Shared"]]
    assert ["Address", "http://x/"] in ran.lines


def test_status_counts_and_shows_who_holds_which_key():
    counted = {"service": "Counter", "handler": "add", "status": "running", "found": 2}
    holder = {"service_name": "Counter", "service_key": "k", "id": INVOCATION, "handler": "add"}
    holder |= {"status": "running", "since": EARLIER}
    rows = {
        "COUNT(1) AS found": [counted | {"oldest_at": EARLIER}],
        "FROM sys_inbox": [{"service_name": "Counter", "service_key": "k", "waiting": 5}],
        "FROM sys_keyed_service_status": [holder],
        "FROM sys_invocation": [invocation(target="Counter/k/add")],
    }
    ran = user(rows).runs("services", "status", "Counter")
    assert ["SERVICE", "HANDLER", "RUNNING", "OLDEST"] in ran.lines
    assert ["Counter", "add", "2", "3m", "ago"] in ran.lines
    assert ["Counter/k", "5", INVOCATION, "add", "running", "3m"] in ran.lines
    assert [INVOCATION, "Counter/k/add", "running", "3m", "ago"] in ran.lines
    words = ["services", "status", "--locked-key-held-threshold-second", "200", "--json"]
    assert user(rows).runs(*words).json["locked_keys"] == []


# -- Settings


def test_settings_are_shown_patched_and_edited():
    assert ["journal_retention", "1d"] in [
        line[:2] for line in user().runs("svc", "config", "view", "Counter").lines
    ]
    patching = user()
    words = ["--journal-retention", "2h", "--public", "false"]
    assert patching.runs("-y", "svc", "config", "patch", "Counter", *words).code == 0
    assert patching.admin.changes[0].body == {"public": False, "journal_retention": "2h"}
    editing = user(writes='{"public": true, "journal_retention": "7d"}')
    assert editing.runs("-y", "svc", "config", "edit", "Counter").code == 0
    assert editing.admin.changes[0].body == {"journal_retention": "7d"}


def test_settings_that_make_no_sense_are_refused():
    assert user().runs("-y", "svc", "config", "patch", "Counter").code == EXIT_USAGE
    for text in ("{", "[]", '{"name": "x"}'):
        ran = user(writes=text).runs("-y", "svc", "config", "edit", "Counter")
        assert (ran.code, "nothing was changed" in ran.err) == (EXIT_USAGE, True)


# -- State

BEFORE = {"count": b"4", "spaced": b'{ "a": 1 }'}
ROWS = {
    "FROM state": [
        {"service_key": "k", "key": key, "value": value.hex()} for key, value in BEFORE.items()
    ]
}


def sent_state(world: User):
    body = world.admin.changes[0].body
    return {key: bytes(value) for key, value in body["new_state"].items()}, body.get("version")


def test_state_is_shown_as_json():
    assert user(ROWS).runs("state", "get", "Counter", "k", "-p").json == {
        "count": 4,
        "spaced": {"a": 1},
    }
    assert user(ROWS).runs("state", "get", "Counter", "k", "--binary", "--json").json["count"] == (
        "NA=="
    )
    assert ["count", "4"] in user(ROWS).runs("state", "get", "Counter", "k").lines


def test_a_patch_changes_what_it_names_of_the_version_it_saw():
    world = user(ROWS)
    patch = json.dumps([{"op": "replace", "path": "/count", "value": 42}])
    assert world.runs("-y", "state", "patch", "Counter", "k", "-p", patch).code == 0
    assert sent_state(world) == (BEFORE | {"count": b"42"}, state_version(BEFORE))
    assert world.admin.changes[0].body["object_key"] == "k"


def test_force_asks_for_no_version():
    world = user(ROWS, writes='{"count": 5}')
    ran = world.runs("-y", "state", "edit", "Counter", "k", "--force", "--json")
    assert ran.json["changed"] == ["count", "spaced"]
    assert sent_state(world) == ({"count": b"5"}, None)
    assert json.loads(world.edited) == {"count": 4, "spaced": {"a": 1}}


def test_an_edit_that_changes_nothing_sends_nothing():
    world = user(ROWS)
    assert world.runs("state", "edit", "Counter", "k").code == 0
    assert world.admin.changes == []


def test_state_is_cleared_by_key_or_for_a_whole_service():
    world = user(ROWS)
    assert world.runs("-y", "state", "clear", "Counter/k").code == 0
    assert sent_state(world) == ({}, state_version(BEFORE))
    assert "service_key = 'k'" in world.admin.queries[0]
    assert user().runs("-y", "state", "clear", "Counter").code == EXIT_REFUSED


def test_state_that_a_removed_service_left_is_cleared():
    world = User(Admin({"POST /services/Removed/state": (202, None)}, ROWS))
    assert world.runs("-y", "state", "clear", "Removed/k").code == 0
    assert sent_state(world) == ({}, state_version(BEFORE))


@pytest.mark.parametrize("words", ["get Hidden k", "clear Hidden", "patch Hidden k -p []"])
def test_plain_services_have_no_state(words):
    ran = user().runs("-y", "state", *words.split())
    assert (ran.code, "has no state" in ran.err) == (EXIT_USAGE, True)


# -- SQL


def test_sql_answers_in_tables_and_json():
    rows = {"select": [{"a": 1}, {"b": True}]}
    assert user(rows).runs("sql", "select").lines == [["A", "B"], ["1"], ["true"]]
    assert user(rows).runs("sql", "select", "--json").json == [{"a": 1}, {"b": True}]
    assert user(rows).runs("sql", "select", "--jsonl").out == '{"a": 1}\n{"b": true}\n'
    assert "2 rows" in user(rows).runs("sql", "select").err


# -- Completions


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_printed_and_installed(shell, tmp_path):
    world = user(home=tmp_path, environment={"SHELL": f"/bin/{shell}"})
    printed = world.runs("completions", "generate", shell)
    assert "_PERDURE_COMPLETE" in printed.out
    installed = world.runs("completions", "install", "--json").json
    assert installed["shell"] == shell
    assert Path(installed["file"]).read_text() == printed.out


def test_an_unknown_shell_is_asked_for():
    assert (
        user(environment={"SHELL": "/bin/oil"}).runs("completions", "generate").code == EXIT_USAGE
    )
