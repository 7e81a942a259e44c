"""Many invocations changed with one request, each for itself."""

from __future__ import annotations

import pytest
from admin_support import INVOCATION, NEW_INVOCATION, OLDER, ScriptedEngine, ask

from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import OverloadedError
from perdure.protocol.ids import invocation_text

ONE, OTHER = invocation_text(INVOCATION), invocation_text(NEW_INVOCATION)
BOTH = {"invocation_ids": [ONE, OTHER]}


class PickyEngine(ScriptedEngine):
    """Changes one invocation, and not the other."""

    def _answer(self, *asked):
        super()._answer(*asked)
        return Verdict.ACCEPTED if asked[1] == INVOCATION else Verdict.NOT_FOUND


@pytest.mark.parametrize("operation", ["cancel", "kill", "pause", "purge", "purge-journal"])
def test_each_is_changed_or_refused_for_itself(operation):
    engine = PickyEngine()
    response = ask(engine, "POST", f"/internal/invocations/{operation}", BOTH)
    assert response.status == 200
    assert response.json == {
        "successful": [{"invocation_id": ONE}],
        "failed": [
            {
                "invocation_id": OTHER,
                "status": 404,
                "message": f"The requested invocation '{OTHER}' does not exist",
            }
        ],
    }
    assert engine.asked == [(operation, INVOCATION), (operation, NEW_INVOCATION)]


def test_all_are_resumed_where_asked():
    engine = ScriptedEngine()
    response = ask(engine, "POST", "/internal/invocations/resume", BOTH | {"deployment": OLDER})
    assert len(response.json["successful"]) == 2
    assert engine.asked == [
        ("resume", INVOCATION, OLDER),
        ("resume", NEW_INVOCATION, OLDER),
    ]


def test_all_are_restarted_and_the_new_ids_told():
    engine = ScriptedEngine()
    body = {"invocation_ids": [ONE], "from": 3, "deployment": "keep"}
    response = ask(engine, "POST", "/internal/invocations/restart-as-new", body)
    assert response.json["successful"] == [{"invocation_id": ONE, "new_invocation_id": OTHER}]
    assert engine.asked == [("restart-as-new", INVOCATION, 3, "keep")]


def test_an_invocation_is_changed_once_however_often_it_is_named():
    engine = ScriptedEngine()
    response = ask(engine, "POST", "/internal/invocations/kill", {"invocation_ids": [ONE] * 3})
    assert response.json["successful"] == [{"invocation_id": ONE}]
    assert engine.asked == [("kill", INVOCATION)]


def test_none_are_changed_if_none_are_named():
    response = ask(ScriptedEngine(), "POST", "/internal/invocations/kill", {"invocation_ids": []})
    assert response.json == {"successful": [], "failed": []}


def test_what_is_refused_for_now_is_told_so():
    engine = ScriptedEngine(error=OverloadedError("later"))
    response = ask(engine, "POST", "/internal/invocations/kill", BOTH)
    assert [each["status"] for each in response.json["failed"]] == [429, 429]


def test_every_malformed_id_is_told_and_nothing_is_changed():
    engine = ScriptedEngine()
    body = {"invocation_ids": ["inv_2", ONE, "foo"]}
    response = ask(engine, "POST", "/internal/invocations/kill", body)
    assert response.status == 422
    wrong = [each["field"] for each in response.json["fields"]]
    assert wrong == ["invocation_ids[0]", "invocation_ids[2]"]
    assert engine.asked == []


def test_every_wrong_field_is_told():
    engine = ScriptedEngine()
    body = {"invocation_ids": ["foo"], "deployment": "nope", "from": -1}
    response = ask(engine, "POST", "/internal/invocations/restart-as-new", body)
    assert response.status == 422
    wrong = [each["field"] for each in response.json["fields"]]
    assert wrong == ["invocation_ids[0]", "deployment", "from"]


@pytest.mark.parametrize(
    ("operation", "body", "status"),
    [
        ("kill", {}, 422),
        ("kill", {"invocation_ids": [ONE] * 1001}, 422),
        ("restart-as-new", BOTH | {"from": -1}, 422),
        ("resume", BOTH | {"deployment": "nope"}, 400),
        ("explode", BOTH, 404),
    ],
)
def test_what_cannot_be_done_is_refused(operation, body, status):
    engine = ScriptedEngine()
    response = ask(engine, "POST", f"/internal/invocations/{operation}", body)
    assert response.status == status
    assert engine.asked == []


def test_the_unexpected_is_not_taken_for_a_refusal():
    engine = ScriptedEngine(error=RuntimeError("the secret cause"))
    url = "/internal/invocations/kill"
    response = ask(engine, "POST", url, BOTH, raises=(RuntimeError,))
    assert response.status == 500
