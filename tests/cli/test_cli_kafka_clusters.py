"""Commands on Kafka clusters, against a scripted server."""

from __future__ import annotations

import pytest
from cli_world import EARLIER, Admin, User

from perdure.cli.errors import EXIT_USAGE

CLUSTER = {
    "name": "c",
    "properties": {"bootstrap.servers": "h:9092", "sasl.password": "***"},
    "created_at": EARLIER,
}
SUBSCRIPTION = {"id": "sub_1", "source": "kafka://c/t", "sink": "service://A/b"}
ANSWERS = {
    "GET /kafka-clusters": {"clusters": [CLUSTER]},
    "GET /kafka-clusters/c": CLUSTER,
    "GET /kafka-clusters/c?include_subscriptions=true": CLUSTER | {"subscriptions": [SUBSCRIPTION]},
    "POST /kafka-clusters": (201, CLUSTER),
    "PATCH /kafka-clusters/c": CLUSTER,
    "DELETE /kafka-clusters/c": (202, None),
    "DELETE /kafka-clusters/c?force=true": (202, None),
}


def user(**world) -> User:
    return User(Admin(ANSWERS), **world)


def test_clusters_are_listed_and_shown():
    assert user().runs("kc", "ls").lines[1] == ["c", "h:9092", "3m", "ago"]
    ran = user().runs("kc", "get", "c")
    assert ["sasl.password", "***"] in ran.lines
    assert ["sub_1", "kafka://c/t", "service://A/b"] in ran.lines


def test_properties_come_from_the_line_a_file_and_an_editor(tmp_path):
    file = tmp_path / "kafka.properties"
    file.write_text("# where\nbootstrap.servers = h:9092\n\nclient.id=x\n")
    world = user()
    assert world.runs("kc", "create", "c", "client.id=y", "-f", str(file)).code == 0
    assert world.admin.changes[0].body == {
        "name": "c",
        "properties": {"bootstrap.servers": "h:9092", "client.id": "y"},
    }
    editing = user(writes="bootstrap.servers=e:1\n")
    assert editing.runs("kc", "create", "c", "--edit").code == 0
    assert editing.admin.changes[0].body["properties"] == {"bootstrap.servers": "e:1"}


TOML = """\
[properties]
"client.id" = "x"
bootstrap.servers = "h:9092"
enable.auto.commit = false
session.timeout.ms = 6000
"""


def test_properties_come_from_toml_and_from_standard_input(tmp_path):
    file = tmp_path / "kafka.TOML"
    file.write_text(TOML)
    world = user()
    assert world.runs("kc", "create", "c", "-f", str(file)).code == 0
    assert world.admin.changes[0].body["properties"] == {
        "client.id": "x",
        "bootstrap.servers": "h:9092",
        "enable.auto.commit": "false",
        "session.timeout.ms": "6000",
    }
    world = user(pipes="bootstrap.servers=h:1\n")
    assert world.runs("kc", "create", "c", "-f", "-", "a=b").code == 0
    properties = {"bootstrap.servers": "h:1", "a": "b"}
    assert world.admin.changes[0].body["properties"] == properties


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bootstrap.servers=h:1", "is no TOML"),
        ("a = 1\n[properties]\nb = 2", "write [properties] there, and nothing else"),
        ("properties = 1", "write [properties] there"),
        ("[properties]\na = [1]", "a is no text, number, true or false"),
        ("[properties]\na.b = 1979-05-27", "a.b is no text"),
    ],
)
def test_toml_that_says_something_else_is_refused(tmp_path, text, told):
    file = tmp_path / "kafka.toml"
    file.write_text(text)
    world = user()
    ran = world.runs("kc", "create", "c", "-f", str(file))
    assert ran.code == EXIT_USAGE
    assert told in ran.err
    assert world.admin.changes == []


def test_a_file_takes_the_place_of_all_properties_that_there_are():
    world = user(pipes="bootstrap.servers=h:1\na=b\n")
    words = ("-y", "kc", "patch", "c", "-f", "-", "--set", "d=e", "--unset", "a")
    assert world.runs(*words).code == 0
    assert world.admin.changes[0].body["properties"] == {"bootstrap.servers": "h:1", "d": "e"}


def test_a_patch_keeps_what_it_does_not_name():
    world = user()
    assert world.runs("-y", "kc", "patch", "c", "--set", "bootstrap.servers=h:1").code == 0
    assert world.admin.changes[0].body["properties"] == {
        "bootstrap.servers": "h:1",
        "sasl.password": "***",
    }
    world = user()
    assert world.runs("-y", "kc", "patch", "c", "--unset", "sasl.password").code == 0
    assert world.admin.changes[0].body["properties"] == {"bootstrap.servers": "h:9092"}


def test_an_edit_asks_by_key_alone():
    world = user(writes="bootstrap.servers=h:9092\nsasl.password=hush\n")
    ran = world.runs("-y", "kc", "edit", "c")
    assert world.admin.changes[0].body["properties"]["sasl.password"] == "hush"
    assert "sasl.password of c" in ran.err
    assert "hush" not in ran.out + ran.err
    unchanged = user()
    assert unchanged.runs("kc", "edit", "c").code == 0
    assert unchanged.admin.changes == []


def test_a_cluster_is_removed_by_force_if_asked_for():
    world = user()
    assert world.runs("-y", "kc", "rm", "c").code == 0
    assert world.runs("-y", "kc", "rm", "c", "--force").code == 0
    assert [sent.path for sent in world.admin.changes] == [
        "/kafka-clusters/c",
        "/kafka-clusters/c?force=true",
    ]


@pytest.mark.parametrize(
    "words", ["create c", "create c secret", "patch c --unset nope", "create c -f nowhere"]
)
def test_what_cannot_be_is_refused(words):
    world = user()
    ran = world.runs("-y", "kc", *words.split())
    assert ran.code == EXIT_USAGE
    assert world.admin.changes == []
    assert "secret" not in ran.err
