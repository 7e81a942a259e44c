"""What goes wrong with a server is said with what to try; exit codes tell the kinds apart."""

from __future__ import annotations

import httpx
import pytest
from cli_world import Admin, User

from perdure.cli.errors import EXIT_REFUSED, EXIT_UNREACHABLE, EXIT_USAGE

LIST = "GET /services"


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (httpx.ConnectError("refused"), EXIT_UNREACHABLE, "does not answer (refused)"),
        (httpx.ReadTimeout("late"), EXIT_UNREACHABLE, "did not answer in time"),
        ((200, "<html>"), EXIT_UNREACHABLE, "answers, but is no admin API"),
        (
            (400, "Invalid URL: bad format"),
            EXIT_REFUSED,
            "error: Invalid URL: bad format (HTTP 400)",
        ),
        ((404, None), EXIT_REFUSED, "the server has nothing at GET /v4/services"),
        (
            (409, {"message": "type changed", "restate_code": "META0006"}),
            EXIT_REFUSED,
            "[META0006] type changed (HTTP 409)\ntry: --breaking",
        ),
        (
            (500, {"message": "[META0003] no", "restate_code": "META0003"}),
            EXIT_REFUSED,
            "error: [META0003] no (HTTP 500)\ntry: is the service running",
        ),
    ],
)
def test_errors_say_what_to_try(answer, code, said):
    ran = User(Admin({LIST: answer})).runs("services", "list")
    assert ran.code == code
    assert said in ran.err
    assert ran.out == ""


def test_an_address_that_is_none_is_refused():
    ran = User().runs("services", "list", "--admin-url", "localhost:9070")
    assert ran.code == EXIT_USAGE
    assert "write http://host:9070" in ran.err


def test_names_cannot_leave_their_place_in_the_path():
    admin = Admin()
    User(admin).runs("services", "describe", "../x?y#z")
    assert admin.sent[0].path == "/services/..%2Fx%3Fy%23z"


def test_whoami_shows_the_server():
    version = {"version": "1.2.3", "min_admin_api_version": 2, "max_admin_api_version": 4}
    admin = Admin({"GET /health": (200, None), "GET /version": version})
    ran = User(admin).runs("whoami")
    assert ran.code == 0
    assert ["Server", "healthy"] in ran.lines
    assert ["Admin", "API", "versions", "2", "to", "4"] in ran.lines


def test_whoami_tells_what_it_can_of_a_server_that_does_not_answer():
    ran = User(Admin({"GET /health": httpx.ConnectError("refused")})).runs("whoami", "--json")
    assert ran.code == EXIT_UNREACHABLE
    assert ran.json["healthy"] is False
    assert "perdure dev" in ran.err
