"""What is deployed, as operators see it."""

import pytest
from admin_support import NEWER, OLDER, ScriptedEngine, ask

ENGINE = ScriptedEngine()
CREATED = "2026-11-21T20:28:55.473000000Z"


def get(url):
    response = ask(ENGINE, "GET", url)
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    return response.json


def test_deployments_are_listed_by_age_with_their_revisions():
    older, newer = get("/deployments")["deployments"]
    assert older == {
        "id": OLDER,
        "uri": "inprocess://old",
        "protocol_type": "BidiStream",
        "http_version": "HTTP/2.0",
        "created_at": CREATED,
        "min_protocol_version": 5,
        "max_protocol_version": 7,
        "services": [{"name": "Greeter", "revision": 1}, {"name": "Signup", "revision": 1}],
    }
    assert newer["id"] == NEWER
    assert newer["services"] == [{"name": "Greeter", "revision": 2}]


def test_a_deployment_shows_its_own_revisions_in_full():
    greeter, signup = get(f"/deployments/{OLDER}")["services"]
    assert (greeter["name"], greeter["revision"], greeter["deployment_id"]) == ("Greeter", 1, OLDER)
    assert [handler["name"] for handler in signup["handlers"]] == ["run", "status"]


def test_services_are_listed_by_name_in_their_newest_revision():
    greeter, signup = get("/services")["services"]
    assert (greeter["name"], greeter["revision"], greeter["deployment_id"]) == ("Greeter", 2, NEWER)
    assert (signup["name"], signup["revision"], signup["deployment_id"]) == ("Signup", 1, OLDER)


def test_a_service_shows_the_options_in_force():
    service = get("/services/Greeter")
    handlers = service.pop("handlers")
    assert [handler["name"] for handler in handlers] == ["fail", "order"]
    assert service == {
        "name": "Greeter",
        "ty": "Service",
        "documentation": "Greets",
        "metadata": {"team": "a"},
        "deployment_id": NEWER,
        "revision": 2,
        "public": True,
        "idempotency_retention": "2h",
        "journal_retention": "1d",
        "inactivity_timeout": "1m",
        "abort_timeout": "10m",
        "enable_lazy_state": False,
        "retry_policy": {
            "max_attempts": 70,
            "initial_interval": "500ms",
            "exponentiation_factor": 2.0,
            "max_interval": "1m",
            "on_max_attempts": "Pause",
        },
    }


def test_a_workflow_shows_how_long_its_result_is_kept():
    assert get("/services/Signup")["workflow_completion_retention"] == "5s"


def test_a_handler_shows_only_what_it_sets_itself():
    assert get("/services/Greeter/handlers/fail") == {
        "name": "fail",
        "abort_timeout": "12ms",
        "public": False,
        "input_description": "*/*",
        "output_description": "application/json",
        "retry_policy": {"max_attempts": 3, "initial_interval": "50ms", "on_max_attempts": "Kill"},
    }


def test_a_handler_shows_what_it_takes_and_gives():
    assert get("/services/Greeter/handlers/order") == {
        "name": "order",
        "documentation": "Place an order",
        "public": True,
        "input_description": "JSON 'Order'",
        "output_description": "JSON string",
        "input_json_schema": {"title": "Order"},
        "output_json_schema": {"type": "string"},
        "retry_policy": {"max_attempts": None},
    }


def test_handlers_show_their_type():
    handlers = get("/services/Signup/handlers")["handlers"]
    assert [(each["name"], each["ty"]) for each in handlers] == [
        ("run", "Workflow"),
        ("status", "Shared"),
    ]


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        (
            "/deployments/dp_11ZliFIiBwXLAJaxujLY2SR",
            404,
            "The requested deployment 'dp_11ZliFIiBwXLAJaxujLY2SR' does not exist",
        ),
        ("/deployments/foo", 400, "The request field 'deployment' is invalid. Reason: bad format"),
        ("/services/Nope", 404, "The requested service 'Nope' does not exist"),
        ("/services/Nope/handlers", 404, "The requested service 'Nope' does not exist"),
        (
            "/services/Greeter/handlers/zzz",
            404,
            "The requested handler 'zzz' on service 'Greeter' does not exist",
        ),
    ],
)
def test_what_does_not_exist(url, status, message):
    response = ask(ENGINE, "GET", url)
    assert (response.status, response.json) == (status, {"message": message, "restate_code": None})
