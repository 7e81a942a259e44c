"""What holds for every path of the admin API."""

import pytest
from admin_support import INVOCATION, ScriptedEngine, ask

from perdure.protocol.ids import invocation_text


def get(url, **options):
    return ask(ScriptedEngine(), "GET", url, **options)


@pytest.mark.parametrize("prefix", ["", "/v2", "/v3", "/v4"])
def test_health_is_an_empty_answer(prefix):
    response = get(f"{prefix}/health")
    assert (response.status, response.body) == (200, b"")


def test_the_version_tells_which_versions_of_the_api_are_there():
    about = get("/v3/version", ingress_url="http://127.0.0.1:8080").json
    assert (about["min_admin_api_version"], about["max_admin_api_version"]) == (2, 4)
    assert about["ingress_endpoint"] == "http://127.0.0.1:8080"
    assert about["features"]["vqueues"] is False
    assert about["version"]


def test_the_ingress_need_not_be_known():
    assert get("/version").json["ingress_endpoint"] is None


@pytest.mark.parametrize("url", ["/foo/bar", "/v9/health", "/services/", "/"])
def test_unknown_paths_are_not_found(url):
    response = get(url)
    assert (response.status, response.json["restate_code"]) == (404, None)


def test_version_one_is_refused():
    response = get("/v1/health")
    assert response.status == 400
    assert "/v2" in response.json["message"]


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("PUT", "/services", {"GET", "HEAD"}),
        ("POST", "/invocations/inv_1/cancel", {"PATCH"}),
        ("PATCH", "/invocations/inv_1", {"GET", "HEAD", "DELETE"}),
    ],
)
def test_other_methods_are_not_allowed(method, url, allowed):
    response = ask(ScriptedEngine(), method, url)
    assert (response.status, response.json["restate_code"]) == (405, None)
    assert set(response.headers["allow"].split(", ")) == allowed


def test_head_is_answered_as_get_is():
    response = ask(ScriptedEngine(), "HEAD", "/services")
    assert (response.status, response.headers["content-type"]) == (200, "application/json")


def test_unknown_changes_are_not_found():
    assert ask(ScriptedEngine(), "PATCH", "/invocations/inv_1/explode").status == 404


def test_the_unexpected_is_answered_in_json():
    engine = ScriptedEngine(error=RuntimeError("the secret cause"))
    url = f"/invocations/{invocation_text(INVOCATION)}/cancel"
    response = ask(engine, "PATCH", url, raises=(RuntimeError,))
    assert response.status == 500
    assert "internal error" in response.json["message"]
    assert "secret" not in response.json["message"]
