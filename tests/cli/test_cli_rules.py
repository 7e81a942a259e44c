"""Commands on rules and virtual queues, against a scripted server."""

from __future__ import annotations

import pytest
from cli_world import EARLIER, Admin, User

from perdure.cli.errors import EXIT_REFUSED, EXIT_USAGE

RULE = {
    "pattern": "t/*",
    "concurrency": 5,
    "description": "why",
    "disabled": False,
    "version": 3,
    "last_modified": EARLIER,
}
PARKED = {"pattern": "*", "disabled": True, "version": 1, "last_modified": EARLIER}
WRITTEN = {"pattern": "t/*", "limits": {}, "disabled": False, "version": 4}
ANSWERS = {
    "PUT /limits/rules": [WRITTEN],
    "POST /limits/rules/bulk-delete": ["t/*"],
    "GET /version": {"features": {"vqueues": False}},
}
QUEUE = "vq_1aYbSpkPe1Gz6fy8TmrR6WBMRhl9ZQWy3L"
META = {
    "id": QUEUE,
    "is_active": True,
    "queue_is_paused": False,
    "service_name": "Greeter",
    "scope": "t",
    "num_inbox": 3,
    "num_running": 1,
    "created_at": EARLIER,
}
ENTRY = {"entry_id": "inv_1", "entry_kind": "invocation", "stage": "inbox", "status": "new"}


def user(*rows, **world) -> User:
    return User(Admin(ANSWERS, {"FROM sys_rules": list(rows)}), **world)


def test_rules_are_listed():
    world = user(PARKED, RULE)
    assert world.runs("rules", "ls").lines == [
        ["PATTERN", "CONCURRENCY", "DISABLED"],
        ["*", "unlimited", "yes"],
        ["t/*", "5", "no"],
    ]
    assert world.admin.queries[0].endswith("FROM sys_rules ORDER BY pattern")
    wide = world.runs("rule", "list", "-x").lines
    assert wide[0][3:] == ["DESCRIPTION", "VERSION", "LAST", "MODIFIED"]
    assert wide[2][3:] == ["why", "3", "3m", "ago"]
    assert world.runs("rules", "ls", "--json").json == [PARKED, RULE]
    assert "no rules" in user().runs("rules", "ls").out


def test_a_rule_is_shown():
    world = user(RULE)
    assert ["Description", "why"] in world.runs("rules", "get", " t/* ").lines
    assert "pattern = 't/*'" in world.admin.queries[0]
    ran = user().runs("rules", "describe", "nope")
    assert (ran.code, "there is no rule nope" in ran.err) == (EXIT_REFUSED, True)


def sent(world):
    (change,) = world.admin.changes
    (entry,) = change.body
    return entry


def test_a_new_rule_must_be_new():
    world = user()
    ran = world.runs("rules", "set", "t/*", "--concurrency", "5", "--disabled", "--json")
    assert ran.code == 0
    assert ran.json == WRITTEN
    assert "made t/* (version 4)" in ran.err
    assert "limits none" in ran.err
    assert sent(world) == {
        "pattern": "t/*",
        "limits": {"concurrency": 5},
        "description": None,
        "disabled": True,
        "precondition": {"type": "does_not_exist"},
    }


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (["--concurrency", "7"], {"limits": {"concurrency": 7}}),
        (["--unlimited"], {"limits": {"concurrency": None}}),
        (["--description", "because"], {"description": "because"}),
        ([], {}),
    ],
)
def test_what_is_not_said_of_a_rule_stays(words, changed):
    world = user(RULE)
    ran = world.runs("rules", "set", "t/*", *words)
    assert ran.code == 0
    assert ("so already" in ran.err) is (not changed)
    before = {
        "pattern": "t/*",
        "limits": {"concurrency": 5},
        "description": "why",
        "disabled": False,
        "precondition": {"type": "matches", "version": 3},
    }
    assert sent(world) == before | changed


def test_a_server_that_obeys_rules_is_not_excused():
    world = user(RULE)
    world.admin.answers["GET /version"] = {"features": {"vqueues": True}}
    assert "limits none" not in world.runs("rules", "set", "t/*").err


def test_rules_are_put_out_of_force_and_back():
    world = user(RULE)
    assert "disabled t/*" in world.runs("rules", "disable", "t/*").err
    assert sent(world) | {"disabled": True, "limits": {"concurrency": 5}} == sent(world)
    assert "* is disabled already" in user(PARKED).runs("rules", "disable", "*").err
    world = user(PARKED)
    assert "enabled *" in world.runs("rules", "enable", "*").err
    assert sent(world)["disabled"] is False


def test_a_rule_is_removed_as_it_was_shown():
    world = user(RULE, terminal=True, answers=True)
    ran = world.runs("rules", "rm", "t/*", "--json")
    assert ran.json == {"pattern": "t/*", "outcome": "deleted"}
    assert "why" in ran.err
    assert sent(world) == {"pattern": "t/*", "expected_version": 3}
    refusing = user(RULE, terminal=True)
    assert refusing.runs("rules", "delete", "t/*").code == EXIT_REFUSED
    assert refusing.admin.changes == []


def test_a_rule_that_somebody_changes_meanwhile_is_left_alone():
    for method, path, words in (
        ("PUT", "", ("set", "t/*", "--unlimited")),
        ("POST", "/bulk-delete", ("delete", "t/*", "-y")),
    ):
        world = user(RULE)
        conflict = {"message": "rule precondition Matches(v3) failed", "restate_code": None}
        world.admin.answers[f"{method} /limits/rules{path}"] = (409, conflict)
        ran = world.runs("rules", *words)
        assert ran.code == EXIT_REFUSED
        assert "try again" in ran.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("set t --concurrency 0", EXIT_USAGE),
        ("set t --concurrency 4294967296", EXIT_USAGE),
        ("set t --concurrency 1 --unlimited", EXIT_USAGE),
        ("set t --disabled", EXIT_REFUSED),
    ],
)
def test_what_cannot_be_is_refused(words, code):
    world = user(RULE)
    assert world.runs("rules", *words.split()).code == code
    assert world.admin.changes == []


# -- vqueues


def queues(*rows) -> User:
    return User(Admin(rows={"FROM sys_vqueue_meta": list(rows), "FROM sys_vqueues": [ENTRY]}))


def test_queues_are_listed():
    world = queues(META)
    ran = world.runs("vqueues", "ls", "--limit", "5")
    assert ran.lines == [
        ["ID", "STATE", "SERVICE", "SCOPE", "INBOX", "RUNNING"],
        [QUEUE, "active", "Greeter", "t", "3", "1"],
    ]
    assert world.admin.queries[0].endswith("LIMIT 5")
    assert "CREATED" in world.runs("vq", "list", "-o", "wide").out
    assert "no virtual queues" in queues().runs("vqueues", "list").out
    assert queues(META).runs("vqueues", "list", "--json").json == [META]


def test_a_queue_is_shown_with_its_entries():
    world = queues(META | {"queue_is_paused": True})
    ran = world.runs("vqueues", "get", QUEUE, "--newest-first", "--limit", "7")
    assert ["State", "paused"] in ran.lines
    assert ["inv_1", "invocation", "inbox", "new"] in ran.lines
    assert "ORDER BY sequence_number DESC, entry_id LIMIT 7" in world.admin.queries[1]
    assert world.runs("vqueues", "get", QUEUE, "--json").json["entries"] == [ENTRY]
    assert ["DUE"] not in world.runs("vqueues", "get", QUEUE, "--extra").lines


def test_a_queue_that_is_not_there_is_told_from_what_is_none():
    assert queues().runs("vqueues", "get", QUEUE).code == EXIT_REFUSED
    assert queues().runs("vqueues", "get", "foo").code == EXIT_USAGE
