"""What the tables show of an engine with something in each of them."""
# ruff: noqa: S608 - queries about what the test itself put there

from __future__ import annotations

import json

import pytest
from engine_world import GREET
from query_world import ENDED, FAILS, FLOWS, HOLDS, LATER, PAUSED, REFUSED, RUNS, WAITS, QueryWorld

from perdure.core.model.invocations import Invocation, Problem, Retention, Running
from perdure.core.model.journals import JournalSize
from perdure.engine.moment import LiveAttempt
from perdure.protocol.ids import invocation_text
from perdure.query.columns import QueryError
from perdure.query.tables.invocation_facts import last_failure
from perdure.query.tables.invocation_rows import InvocationRow

#: Wherever the rows are, they are the same.
pytestmark = pytest.mark.usefixtures("partitions")


async def populated():
    return await (await QueryWorld().start()).populate()


STATUSES = {
    ENDED: ("completed", "completed"),
    REFUSED: ("completed", "completed"),
    FAILS: ("backing-off", "invoked"),
    PAUSED: ("paused", "paused"),
    HOLDS: ("running", "invoked"),
    WAITS: ("pending", "inboxed"),
    FLOWS: ("suspended", "suspended"),
    LATER: ("scheduled", "scheduled"),
    RUNS: ("running", "invoked"),
}


async def test_statuses_have_a_name_for_operators_and_a_raw_one():
    world = await populated()
    shown = await world.rows("SELECT id, status FROM sys_invocation")
    raw = await world.rows("SELECT id, status FROM sys_invocation_status")
    texts = {invocation_text(key): names for key, names in STATUSES.items()}
    assert {row["id"]: row["status"] for row in shown} == {
        text: names[0] for text, names in texts.items()
    }
    assert {row["id"]: row["status"] for row in raw} == {
        text: names[1] for text, names in texts.items()
    }


@pytest.mark.parametrize(
    "condition",
    [
        "status = 'running'",
        "status IN ('pending', 'backing-off', 'scheduled')",
        "status <> 'completed'",
        "NOT status IN ('completed', 'running', 'pending', 'paused')",
        "status = 'ready'",
        "target_service_key = 'k'",
        "target_service_key IN ('k', 'w', 'nobody')",
        "target_service_key IS NULL",
        "target_service_key NOT IN ('a', 'b', 'c', 'd', 'k')",
        "partition_key_text = 'x' OR target_service_key = 'w'",
        "status = 'pending' AND target_service_key = 'w'",
        "status = 'pending' OR target_service_name = 'Signup'",
        "created_at > '2020-01-01T00:00:00.000Z' AND target LIKE 'Greeter%'",
        "retry_count > 1",
        "last_failure IS NOT NULL",
    ],
)
async def test_filters_that_reach_the_store_find_what_a_scan_finds(condition):
    world = await populated()
    # The sub-query with an offset keeps the filter from being handed down.
    everything = "(SELECT *, 'y' AS partition_key_text FROM sys_invocation{})"
    narrowed = await world.rows(f"SELECT id FROM {everything.format('')} WHERE {condition}")
    scanned = await world.rows(
        f"SELECT id FROM {everything.format(' LIMIT 1000')} WHERE {condition}"
    )
    assert sorted(row["id"] for row in narrowed) == sorted(row["id"] for row in scanned)


async def test_an_invocation_is_found_by_its_id():
    world = await populated()
    [row] = await world.rows(f"SELECT * FROM sys_invocation WHERE id = '{invocation_text(FAILS)}'")
    assert row["target"] == "Greeter/greet"
    assert row["invoked_by"] == "ingress"
    assert row["retry_count"] == 1
    assert row["last_failure"] == "[500] no luck\nat line 1"
    assert row["last_failure_error_code"] == "RT0007"
    assert row["last_failure_related_command_index"] == 1
    assert row["last_failure_related_command_name"] == "dice"
    assert row["last_failure_related_command_type"] == "Run"
    assert row["journal_size"] == 2
    assert row["completion_retention"] == "PT86400S"
    assert row["next_retry_at"] > row["created_at"]
    assert "completion_result" not in row, "what is null is left out"


@pytest.mark.parametrize(
    ("retry_at", "failures_since_progress", "told"),
    [(5, 1, True), (5, 0, True), (None, 1, True), (None, 0, False)],
)
def test_a_failure_is_told_until_an_attempt_comes_further(retry_at, failures_since_progress, told):
    failed = Running(1, retry_at, Problem(500, "no luck"), failures_since_progress)
    row = Invocation(1, 1, GREET, failed, Retention(0, 0), JournalSize())
    shown = last_failure(InvocationRow(RUNS, row, LiveAttempt(1, "dp_1", None)))
    assert (shown is not None) == told


async def test_several_ids_are_looked_up():
    world = await populated()
    wanted = sorted(invocation_text(key) for key in (ENDED, RUNS, WAITS, LATER, FLOWS))
    listed = ", ".join(f"'{text}'" for text in wanted)
    rows = await world.rows(f"SELECT id FROM sys_invocation WHERE id IN ({listed}) ORDER BY id")
    assert [row["id"] for row in rows] == wanted


async def test_a_text_that_is_no_id_is_an_error():
    world = await populated()
    with pytest.raises(QueryError, match="non valid invocation id 'foo'"):
        await world.rows("SELECT * FROM sys_journal WHERE id = 'foo'")


async def test_results_of_what_has_ended():
    world = await populated()
    rows = await world.rows(
        "SELECT completion_result, completion_failure, idempotency_key FROM sys_invocation_status "
        "WHERE status = 'completed' ORDER BY completion_result"
    )
    assert rows == [
        {"completion_result": "failure", "completion_failure": "[418] teapot"},
        {"completion_result": "success", "idempotency_key": "once"},
    ]


async def test_a_journal_that_is_purged_has_no_size():
    world = await populated()
    sql = f"""SELECT journal_size, journal_commands_size FROM sys_invocation
        WHERE id = '{invocation_text(ENDED)}'"""
    assert await world.rows(sql) == [{"journal_size": 2, "journal_commands_size": 2}]
    await world.place(ENDED).engine.requests.purge_journal(ENDED)
    assert await world.rows(sql) == [{"journal_size": 0, "journal_commands_size": 0}]


async def test_what_a_suspended_invocation_waits_for():
    world = await populated()
    [row] = await world.rows("SELECT * FROM sys_invocation WHERE status = 'suspended'")
    assert row["suspended_waiting_for_completions"] == [2]
    assert row["suspended_waiting_for_signals"] == [1]
    assert json.loads(row["suspended_waiting_future_json"]) == {
        "FirstCompleted": [{"Single": {"CompletionId": 2}}, {"Single": {"SignalIndex": 1}}]
    }


async def test_only_what_the_invoker_holds_has_a_state():
    world = await populated()
    rows = await world.rows("SELECT id, in_flight, retry_count FROM sys_invocation_state")
    assert {row["id"]: (row["in_flight"], row["retry_count"]) for row in rows} == {
        invocation_text(FAILS): (False, 1),
        invocation_text(HOLDS): (True, 1),
        invocation_text(RUNS): (True, 1),
    }


async def test_state_locks_lines_and_promises():
    world = await populated()
    key = "service_name = 'Counter' AND service_key = 'k'"
    assert await world.rows(
        f"SELECT key, value, value_utf8, value_length FROM state WHERE {key} ORDER BY key"
    ) == [
        {"key": "count", "value": "3137", "value_utf8": "17", "value_length": 2},
        {"key": "raw", "value": "ff00", "value_length": 2},
    ]
    assert await world.rows(f"SELECT invocation_id FROM sys_keyed_service_status WHERE {key}") == [
        {"invocation_id": invocation_text(HOLDS)}
    ]
    [waiting] = await world.rows(f"SELECT * FROM sys_inbox WHERE {key}")
    assert waiting["id"] == invocation_text(WAITS)
    assert waiting["created_at"].startswith("2026-11-21T")
    promises = await world.rows("SELECT * FROM sys_promise WHERE service_key = 'w' ORDER BY key")
    assert [(each["key"], each["completed"]) for each in promises] == [
        ("done", True),
        ("later", False),
    ]
    assert promises[0]["completion_success_value_utf8"] == "1"


async def test_what_is_registered():
    world = await populated()
    services = await world.rows("SELECT name, ty, revision, public FROM sys_service ORDER BY name")
    assert services == [
        {"name": "Counter", "ty": "virtual_object", "revision": 1, "public": True},
        {"name": "Greeter", "ty": "service", "revision": 1, "public": True},
        {"name": "Signup", "ty": "workflow", "revision": 1, "public": True},
    ]
    [deployment] = await world.rows("SELECT * FROM sys_deployment")
    assert deployment["services"] == ["Counter", "Greeter", "Signup"]


async def test_events_tell_failures_and_pauses():
    world = await populated()
    rows = await world.rows("SELECT id, event_type, event_json FROM sys_journal_events ORDER BY id")
    told = {row["id"]: (row["event_type"], json.loads(row["event_json"])) for row in rows}
    assert told == {
        invocation_text(PAUSED): ("Paused", {"ty": "Paused"}),
        invocation_text(FAILS): (
            "TransientError",
            {
                "ty": "TransientError",
                "error_code": 500,
                "error_message": "no luck",
                "error_stacktrace": "at line 1",
                "restate_doc_error_code": "RT0007",
                "related_command_index": 1,
                "related_command_name": "dice",
                "related_command_type": "Run",
            },
        ),
    }


async def test_events_are_read_by_their_parts():
    world = await populated()
    rows = await world.rows(
        "SELECT COUNT(*) AS n, inv.target_service_name AS service_name, "
        "e.event_json ->> 'error_message' AS msg FROM sys_journal_events e "
        "LEFT JOIN sys_invocation inv ON inv.id = e.id WHERE e.event_type = 'TransientError' "
        "GROUP BY service_name, msg"
    )
    assert rows == [{"n": 1, "service_name": "Greeter", "msg": "no luck"}]


async def test_a_journal_is_read_in_its_order():
    world = await populated()
    rows = await world.rows(
        "SELECT index, entry_type, name, raw_length FROM sys_journal "
        f"WHERE id = '{invocation_text(FAILS)}' ORDER BY index"
    )
    assert [(row["index"], row["entry_type"], row["name"]) for row in rows] == [
        (0, "Command: Input", ""),
        (1, "Command: Run", "dice"),
    ]


async def test_a_query_sees_what_was_there_when_it_began():
    world = await populated()
    answer = world.queries.answer("SELECT id, status FROM sys_invocation", as_json=True)
    begun = await anext(answer)
    await world.invoke(type(RUNS)(b"later on".rjust(24, b".")))
    rest = b"".join([piece async for piece in answer])
    assert len(json.loads(begun + rest)["rows"]) == len(STATUSES)
    assert len(await world.rows("SELECT id FROM sys_invocation")) == len(STATUSES) + 1
