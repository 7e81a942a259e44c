"""Words that the tab key completes: those that the server knows, or none at all."""

from __future__ import annotations

import httpx
import pytest
from cli_world import INVOCATION, OTHER, Admin, User
from click.shell_completion import get_completion_class

from perdure.cli.main import cli

SERVICES = {
    "services": [
        {"name": "Greeter", "ty": "Service"},
        {"name": "Counter", "ty": "VirtualObject"},
    ]
}
ROW = {"target": "Greeter/greet", "status": "invoked"}
ANSWERS = {
    "GET /services": SERVICES,
    "GET /deployments": {
        "deployments": [{"id": "dp_1a", "uri": "http://h:1/"}, {"id": "dp_1b", "arn": "arn:x"}]
    },
    "GET /kafka-clusters": {"clusters": [{"name": "kc1"}]},
    "GET /subscriptions": {
        "subscriptions": [{"id": "sub_1", "source": "kafka://kc1/t", "sink": "service://A/b"}]
    },
}
ROWS = {
    "status != 'completed'": [{"id": INVOCATION, **ROW}],
    "status = 'completed'": [{"id": OTHER, **ROW}],
    "status IN ('running', 'ready', 'backing-off', 'suspended')": [{"id": INVOCATION, **ROW}],
    "DISTINCT service_key FROM state WHERE service_name IN ('Counter')": [{"service_key": "k"}],
}


def completed(line, admin=None, **options):
    """Give the words that a shell shows for the last word of a line, and what stands beside."""
    user = User(admin or Admin(ANSWERS, ROWS), **options)
    *before, incomplete = line.split(" ")
    shell = get_completion_class("zsh")(cli, {"obj": user.surroundings()}, "perdure", "_X")
    return [(item.value, item.help) for item in shell.get_completions(before, incomplete)]


def words_for(line, **options):
    return [word for word, _ in completed(line, **options)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("services describe ", ["Greeter", "Counter"]),
        ("services describe G", ["Greeter"]),
        ("services describe X", []),
        ("services status ", ["Greeter", "Counter"]),
        ("svc config view C", ["Counter"]),
        ("state get ", ["Counter"]),
        ("state get Counter ", ["k"]),
        ("state clear ", ["Counter"]),
        ("deployments remove dp", ["dp_1a", "dp_1b"]),
        ("inv ls --deployment ", ["dp_1a", "dp_1b"]),
        ("inv ls --service Gr", ["Greeter"]),
        ("inv describe inv_", [INVOCATION, OTHER]),
        ("invocations journal ", [INVOCATION, OTHER]),
        ("inv cancel ", ["Greeter", "Counter", INVOCATION]),
        ("inv cancel inv", [INVOCATION]),
        ("inv pause Counter ", ["Greeter", "Counter", INVOCATION]),
        ("inv purge inv_", [OTHER]),
        ("inv tail inv_", [INVOCATION]),
        ("kafka-clusters describe ", ["kc1"]),
        ("subscriptions delete ", ["sub_1"]),
    ],
)
def test_what_the_server_knows_is_completed(line, words):
    assert words_for(line) == words


def test_what_is_known_of_a_word_is_shown():
    assert completed("inv kill inv_") == [(INVOCATION, "Greeter/greet invoked")]


def test_environments_are_read_from_the_file(tmp_path):
    folder = tmp_path / ".config" / "perdure"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[prod]\n[old]\n")
    assert words_for("config use-environment ", home=tmp_path) == ["local", "prod", "old"]
    (folder / "config.toml").write_text("prod")
    assert words_for("config use-environment ", home=tmp_path) == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("too late"),
        (500, {"message": "broken"}),
        (200, "no JSON"),
        {"other": []},
        {"services": [{}]},
        {"services": 5},
    ],
)
def test_a_server_that_does_not_answer_as_it_should_completes_nothing(answer, capsys):
    assert words_for("services describe ", admin=Admin({"GET /services": answer})) == []
    assert capsys.readouterr() == ("", "")


def test_the_server_that_is_named_on_the_line_is_asked(capsys):
    admin = Admin(ANSWERS)
    line = "--admin-url http://elsewhere:1 -v services describe Gr"
    assert words_for(line, admin=admin) == ["Greeter"]
    assert admin.headers[0]["host"] == "elsewhere:1"
    assert capsys.readouterr().err == ""
