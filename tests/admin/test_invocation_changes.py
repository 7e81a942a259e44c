"""Changes to invocations, as operators ask for them."""

import pytest
from admin_support import INVOCATION, NEW_INVOCATION, OLDER, ScriptedEngine, ask

from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import UnavailableError
from perdure.engine.pinning import UnknownDeploymentError
from perdure.protocol.ids import invocation_text

TEXT = invocation_text(INVOCATION)
ONE = f"/invocations/{TEXT}"
SIMPLE = ["cancel", "kill", "pause", "purge", "purge-journal"]


@pytest.mark.parametrize("prefix", ["", "/v2", "/v3", "/v4"])
@pytest.mark.parametrize("operation", SIMPLE)
def test_a_change_is_asked_of_the_engine(operation, prefix):
    engine = ScriptedEngine()
    response = ask(engine, "PATCH", f"{prefix}{ONE}/{operation}")
    assert (response.status, response.body) == (200, b"")
    assert engine.asked == [(operation, INVOCATION)]


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.DONE, 200),
        (Verdict.ACCEPTED, 202),
        (Verdict.NOT_FOUND, 404),
        (Verdict.ALREADY_COMPLETED, 409),
        (Verdict.NOT_COMPLETED, 409),
        (Verdict.NOT_STARTED, 425),
        (Verdict.NOT_RUNNING, 409),
        (Verdict.WORKFLOW, 422),
        (Verdict.JOURNAL_GONE, 410),
        (Verdict.BAD_PREFIX, 400),
        (Verdict.CHANGE_REFUSED, 409),
    ],
)
def test_every_verdict_has_a_status(verdict, status):
    response = ask(ScriptedEngine(verdict), "PATCH", f"{ONE}/cancel")
    assert response.status == status
    if status >= 400:
        assert TEXT in response.json["message"]
        assert response.json["restate_code"] is None


def test_no_verdict_is_forgotten():
    for verdict in set(Verdict) - {Verdict.STATE_CHANGED}:
        assert ask(ScriptedEngine(verdict), "PATCH", f"{ONE}/pause").status < 500


@pytest.mark.parametrize(
    ("query", "deployment"),
    [
        ("", None),
        ("?deployment=latest", "latest"),
        ("?deployment=Keep", "keep"),
        (f"?deployment={OLDER}", OLDER),
    ],
)
def test_an_invocation_goes_on_where_it_is_told_to(query, deployment):
    engine = ScriptedEngine()
    assert ask(engine, "PATCH", f"{ONE}/resume{query}").status == 200
    assert engine.asked == [("resume", INVOCATION, deployment)]


@pytest.mark.parametrize(
    ("query", "upto_index", "deployment"),
    [("", 0, None), ("?from=3", 3, None), ("?from=1&deployment=latest", 1, "latest")],
)
def test_a_restart_tells_the_new_id(query, upto_index, deployment):
    engine = ScriptedEngine()
    response = ask(engine, "PATCH", f"{ONE}/restart-as-new{query}")
    assert response.status == 200
    assert response.json == {"new_invocation_id": invocation_text(NEW_INVOCATION)}
    assert engine.asked == [("restart-as-new", INVOCATION, upto_index, deployment)]


def test_a_refused_restart_has_no_new_id():
    response = ask(ScriptedEngine(Verdict.JOURNAL_GONE), "PATCH", f"{ONE}/restart-as-new")
    assert response.status == 410


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/invocations/foo/cancel", "'invocation_id' is invalid. Reason: bad format"),
        ("/invocations/foo/resume", "'invocation_id' is invalid"),
        (f"{ONE}/resume?deployment=zzz", "'deployment' is invalid. Reason: bad format"),
        (f"{ONE}/restart-as-new?from=abc", "'from' is invalid"),
        (f"{ONE}/restart-as-new?from=-1", "'from' is invalid"),
        (f"{ONE}/restart-as-new?from=4294967296", "'from' is invalid"),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(url, says):
    engine = ScriptedEngine()
    response = ask(engine, "PATCH", url)
    assert (response.status, engine.asked) == (400, [])
    assert says in response.json["message"]


@pytest.mark.parametrize("operation", ["resume", "restart-as-new"])
def test_an_unknown_deployment_is_a_bad_request(operation):
    engine = ScriptedEngine(error=UnknownDeploymentError("no such deployment"))
    response = ask(engine, "PATCH", f"{ONE}/{operation}")
    assert response.status == 400
    assert "no such deployment" in response.json["message"]


@pytest.mark.parametrize(
    ("query", "operation"),
    [("", "cancel"), ("?mode=Kill", "kill"), ("?mode=purge", "purge"), ("?mode=Cancel", "cancel")],
)
@pytest.mark.parametrize("verdict", [Verdict.DONE, Verdict.NOT_FOUND, Verdict.ALREADY_COMPLETED])
def test_a_delete_is_always_accepted(query, operation, verdict):
    engine = ScriptedEngine(verdict)
    response = ask(engine, "DELETE", ONE + query)
    assert (response.status, response.body) == (202, b"")
    assert engine.asked == [(operation, INVOCATION)]


def test_a_delete_in_no_known_mode_is_a_bad_request():
    assert ask(ScriptedEngine(), "DELETE", f"{ONE}?mode=x").status == 400


def test_an_engine_that_takes_nothing_says_when_to_come_back():
    engine = ScriptedEngine(error=UnavailableError("the server stops"))
    response = ask(engine, "PATCH", f"{ONE}/cancel")
    assert (response.status, response.json["message"]) == (503, "the server stops")
    assert response.headers["retry-after"] == "1"
