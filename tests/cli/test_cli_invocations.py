"""Commands on invocations, against a scripted server."""

from __future__ import annotations

import json

import httpx
import pytest
from cli_world import EARLIER, INVOCATION, OTHER, Admin, User, invocation

from perdure.cli.errors import EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE

PATH = f"PATCH /invocations/{INVOCATION}"
TWO = [
    {"id": INVOCATION, "target": "Greeter/greet", "status": "running"},
    {"id": OTHER, "target": "Greeter/slow", "status": "suspended"},
]


def bulk(*rows, **answers):
    return Admin(answers, {"FROM sys_invocation": list(rows)})


# -- list


def test_open_invocations_are_listed_unless_asked_otherwise():
    admin = Admin(rows={"FROM sys_invocation": [invocation()]})
    ran = User(admin).runs("invocations", "list")
    assert ran.lines == [
        ["ID", "TARGET", "STATUS", "AGE"],
        [INVOCATION, "Greeter/greet", "running", "3m", "ago"],
    ]
    assert "WHERE status != 'completed' ORDER BY created_at DESC, id LIMIT 100" in admin.queries[0]


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        ("--all", "FROM sys_invocation ORDER"),
        ("--status running --status paused", "WHERE status IN ('running', 'paused') ORDER"),
        ("--service A --service B --all", "WHERE target_service_name IN ('A', 'B') ORDER"),
        ("--handler h --all", "WHERE target_handler_name IN ('h') ORDER"),
        ("--key it's --all", "WHERE target_service_key IN ('it''s') ORDER"),
        ("--completion-result failure", "WHERE completion_result = 'failure' ORDER"),
        ("--virtual-objects-only --all", "WHERE target_service_ty = 'virtual_object' ORDER"),
        ("--zombie --all", "NOT IN (SELECT id FROM sys_deployment) ORDER"),
        (
            "--deployment dp_1 --all",
            "(pinned_deployment_id IN ('dp_1') OR last_attempt_deployment_id IN ('dp_1')) ORDER",
        ),
        ("--oldest-first --limit 7", "ORDER BY created_at ASC, id LIMIT 7"),
    ],
)
def test_filters_become_conditions(words, condition):
    admin = Admin()
    assert User(admin).runs("invocations", "list", *words.split()).code == 0
    assert condition in admin.queries[0]


def test_a_full_page_says_how_many_there_are():
    rows = {"COUNT(1)": [{"found": 12}], "FROM sys_invocation": [invocation()]}
    ran = User(Admin(rows=rows)).runs("inv", "ls", "--limit", "1")
    assert "showing 1 of 12" in ran.err
    assert "showing" not in ran.out


def test_why_an_invocation_does_not_run_is_said():
    late = invocation(status="backing-off", retry_count=3, next_retry_at=EARLIER)
    rows = [
        late | {"last_failure": "[500] no luck\nTraceback"},
        invocation(status="completed", completion_failure="[418] nope"),
        invocation(status="scheduled", scheduled_start_at="2027-01-15T08:01:00.000Z"),
    ]
    ran = User(Admin(rows={"FROM sys_invocation": rows})).runs("inv", "ls", "-o", "wide")
    assert "3 retries, next 3m ago: [500] no luck" in ran.out
    assert "Traceback" not in ran.out
    assert "[418] nope" in ran.out
    assert "starts in 1m" in ran.out


def test_rows_are_given_as_json():
    ran = User(Admin(rows={"FROM sys_invocation": [invocation()]})).runs("inv", "ls", "--json")
    assert ran.json == [invocation()]


def test_watching_looks_again_and_again():
    user = User(Admin(rows={"FROM sys_invocation": [invocation()]}))
    user.looks = 3
    ran = user.runs("inv", "ls", "--watch", "--json")
    assert [json.loads(line) for line in ran.out.splitlines()] == [[invocation()]] * 3


# -- describe, journal

ENTRY = {
    "index": 0,
    "entry_type": "Command: Run",
    "name": "charge",
    "appended_at": EARLIER,
    "entry_json": '{"Command":{"Run":{"completion_id":1,"name":"charge"}}}',
}


def one(status="running", **columns):
    rows = {
        "FROM sys_invocation ": [invocation(status=status, **columns)],
        "FROM sys_journal ": [ENTRY],
    }
    return Admin(rows=rows)


def test_the_journal_shows_what_is_waited_for():
    ran = User(one()).runs("inv", "journal", INVOCATION)
    assert ran.lines[0] == ["Greeter/greet", INVOCATION, "running", "for", "3m"]
    assert ran.lines[-1] == ["0", "+0", "ms", "3m", "...", "Run", "charge", "waiting"]


def test_describe_shows_what_is_known_with_the_journal():
    ran = User(one(last_failure="[500] a\nb", trace_id="t1")).runs("inv", "get", INVOCATION)
    assert ["Trace", "t1"] in ran.lines
    assert ["b"] in ran.lines
    assert "charge" in ran.out
    assert "Restarted from" not in ran.out


def test_json_holds_the_row_and_the_steps():
    document = User(one()).runs("inv", "describe", INVOCATION, "--json").json
    assert document["status"] == "running"
    assert document["journal"][0]["result"] == "waiting"


@pytest.mark.parametrize("command", ["describe", "journal", "tail"])
def test_an_unknown_id_is_told_apart_from_no_id(command):
    ran = User().runs("inv", command, INVOCATION)
    assert (ran.code, ran.out) == (EXIT_REFUSED, "")
    assert "there is no invocation" in ran.err
    if command != "tail":
        assert User().runs("inv", command, "Greeter").code == EXIT_USAGE


# -- tail


def test_tail_of_one_ends_with_it():
    ran = User(one("completed", completion_result="success")).runs("inv", "tail", INVOCATION)
    assert ran.code == 0
    assert ran.lines == [["+0", "ms", "Run", "charge", "waiting"]]
    assert "completed: success" in ran.err


def test_tail_of_many_shows_each_change_once():
    user = User(Admin(rows={"FROM sys_invocation": [invocation()]}))
    user.looks = 4
    ran = user.runs("inv", "tail", "Greeter")
    assert len(ran.lines) == 1
    assert "ORDER BY modified_at DESC, id LIMIT 10" in user.admin.queries[0]
    assert f"modified_at >= '{EARLIER}' ORDER BY modified_at, id" in user.admin.queries[1]


# -- Changes


def test_a_script_says_yes_or_nothing_is_done():
    admin = bulk(*TWO)
    ran = User(admin).runs("invocations", "cancel", "Greeter")
    assert ran.code == EXIT_USAGE
    assert "--yes" in ran.err
    assert admin.sent == []


@pytest.mark.parametrize(("answer", "code", "changes"), [(False, EXIT_REFUSED, 0), (True, 0, 1)])
def test_somebody_at_a_terminal_is_asked(answer, code, changes):
    admin = Admin({f"{PATH}/kill": (200, None)}, {"FROM sys_invocation": TWO[:1]})
    ran = User(admin, terminal=True, answers=answer).runs("inv", "kill", INVOCATION)
    assert (ran.code, len(admin.changes)) == (code, changes)
    assert INVOCATION in ran.err


@pytest.mark.parametrize("words", [["--yes"], ["-y"], []])
def test_all_that_match_are_changed(words):
    answers = {f"PATCH /invocations/{row['id']}/cancel": (202, None) for row in TWO}
    admin = Admin(answers, {"FROM sys_invocation": TWO})
    environment = {} if words else {"CI": "true"}
    ran = User(admin, environment=environment).runs("inv", "cancel", "Greeter", *words)
    assert ran.code == 0
    assert {sent.path for sent in admin.changes} == {
        f"/invocations/{row['id']}/cancel" for row in TWO
    }
    assert "cancelled 2 invocations" in ran.err
    assert ran.out == ""


def test_a_dry_run_only_shows():
    admin = bulk(*TWO)
    ran = User(admin).runs("inv", "kill", "Greeter", "--dry-run", "--json")
    assert ran.json == TWO
    assert admin.sent == []


@pytest.mark.parametrize(
    ("words", "operation", "eligible"),
    [
        ("cancel X", "cancel", "status != 'completed'"),
        ("cancel X --kill", "kill", "status != 'completed'"),
        ("kill X", "kill", "status != 'completed'"),
        ("pause X", "pause", "status IN ('running', 'ready', 'backing-off', 'suspended')"),
        (
            "resume X",
            "resume",
            "status IN ('paused', 'running', 'ready', 'backing-off', 'suspended')",
        ),
        ("resume X --deployment latest", "resume?deployment=latest", "status IN"),
        ("rm X", "purge", "status = 'completed'"),
        ("purge X --journal-only", "purge-journal", "status = 'completed'"),
        ("restart X", "restart-as-new", "status = 'completed'"),
        ("restart-as-new X --from 3", "restart-as-new?from=3", "status = 'completed'"),
    ],
)
def test_each_change_is_made_to_what_it_can_be_made_to(words, operation, eligible):
    admin = Admin({f"{PATH}/{operation}": None}, {"FROM sys_invocation": TWO[:1]})
    admin.answers[f"{PATH}/{operation}"] = (200, None)
    ran = User(admin).runs("-y", "inv", *words.split())
    assert ran.code == 0, ran.err
    assert eligible in admin.queries[0]


def test_new_ids_are_data():
    answer = {"new_invocation_id": OTHER}
    admin = Admin({f"{PATH}/restart-as-new": answer}, {"FROM sys_invocation": TWO[:1]})
    ran = User(admin).runs("-y", "inv", "restart", INVOCATION)
    assert ran.lines == [["OLD", "ID", "NEW", "ID"], [INVOCATION, OTHER]]


def test_what_could_not_be_changed_is_told_and_the_rest_is_done():
    answers = {
        f"{PATH}/purge": (409, {"message": "is not yet completed", "restate_code": None}),
        f"PATCH /invocations/{OTHER}/purge": (200, None),
    }
    admin = Admin(answers, {"FROM sys_invocation": TWO})
    ran = User(admin).runs("-y", "inv", "purge", "Greeter", "--json")
    assert ran.code == EXIT_REFUSED
    assert {row["id"]: row["outcome"] for row in ran.json} == {INVOCATION: "failed", OTHER: "done"}
    assert f"{INVOCATION}: is not yet completed (HTTP 409)" in ran.err


def test_what_waits_for_a_key_ends_before_what_holds_it():
    holder, waiting = TWO[0], {**TWO[1], "status": "pending"}
    answers = {f"PATCH /invocations/{row['id']}/kill": (200, None) for row in TWO}
    admin = Admin(answers, {"FROM sys_invocation": [holder, waiting]})
    assert User(admin).runs("-y", "inv", "kill", "Counter/ada").code == 0
    assert [sent.path.split("/")[2] for sent in admin.changes] == [waiting["id"], holder["id"]]


def test_a_server_that_goes_away_stops_the_run():
    answers = {f"{PATH}/kill": httpx.ConnectError("gone")}
    admin = Admin(answers, {"FROM sys_invocation": TWO[:1]})
    ran = User(admin).runs("-y", "inv", "kill", "Greeter")
    assert ran.code == EXIT_UNREACHABLE
    assert "stopped: 0 of 1" in ran.err


def test_nothing_that_matches_is_told_apart_from_nothing_to_do():
    ran = User().runs("-y", "inv", "kill", "Nope")
    assert (ran.code, "no invocation matches Nope" in ran.err) == (EXIT_REFUSED, True)

    admin = Admin(rows={"LIMIT 1": [TWO[0]]})
    admin.rows = {"status = 'completed'": [], "FROM sys_invocation": [TWO[0]]}
    ran = User(admin).runs("-y", "inv", "purge", INVOCATION)
    assert ran.code == EXIT_REFUSED
    assert f"{INVOCATION} is running" in ran.err


def test_more_than_the_limit_is_left_alone():
    admin = Admin(
        {f"{PATH}/kill": (200, None)},
        {"LIMIT 2": TWO},
    )
    ran = User(admin).runs("-y", "inv", "kill", "Greeter", "--limit", "1")
    assert "more than 1 match" in ran.err
    assert len(admin.changes) == 1
