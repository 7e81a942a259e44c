"""Commands on deployments and subscriptions, against a scripted server."""

from __future__ import annotations

import pytest
from cli_world import EARLIER, Admin, User

from perdure.cli.commands.registering import full_address, request_body
from perdure.cli.errors import EXIT_REFUSED, EXIT_USAGE, UsageError

OPEN = "pinned_deployment_id = 'dp_1'"
HANDLERS = [{"name": "add"}, {"name": "get"}]


def deployment(identifier="dp_1", **fields):
    row = {"id": identifier, "uri": f"http://{identifier}/", "http_version": "HTTP/2.0"}
    service = {"name": "Counter", "ty": "VirtualObject", "revision": 2, "handlers": HANDLERS}
    return row | {"created_at": EARLIER, "services": [service]} | fields


def registry(deployment_id="dp_1"):
    return {"services": [{"name": "Counter", "deployment_id": deployment_id}]}


def admin_with(latest_on="dp_1", open_invocations=0, **answers):
    shown = {
        "GET /services": registry(latest_on),
        "GET /deployments": {"deployments": [deployment(), deployment("dp_2")]},
        "GET /deployments/dp_1": deployment(),
    }
    counts = [{"id": "dp_2", "open": 3}]
    rows = {OPEN: [{"open": open_invocations}], "GROUP BY pinned_deployment_id": counts}
    return Admin(shown | answers, rows)


def test_deployments_are_listed_with_what_they_are_good_for():
    admin = admin_with()
    admin.answers["GET /deployments"]["deployments"].append(deployment("dp_3"))
    rows = User(admin).runs("dp", "ls", "--json").json
    assert {row["id"]: row["status"] for row in rows} == {
        "dp_1": "Active",
        "dp_2": "Draining",
        "dp_3": "Drained",
    }
    assert len(admin.queries) == 1
    assert "Counter [2]" in User(admin).runs("dp", "ls", "--extra").out


def test_describe_shows_services_and_what_is_open():
    admin = admin_with()
    admin.rows[OPEN] = [{"service": "Counter", "handler": "add", "open": 4}]
    ran = User(admin).runs("deployments", "get", "dp_1", "-o", "wide")
    assert ["Counter", "VirtualObject", "2", "yes", "add,", "get"] in ran.lines
    assert ["Counter", "add", "4"] in ran.lines
    assert ["Open", "invocations", "4"] in ran.lines


def test_a_drained_deployment_is_removed():
    admin = admin_with("dp_2", **{"DELETE /deployments/dp_1?force=true": (202, None)})
    ran = User(admin).runs("-y", "dp", "rm", "dp_1", "--json")
    assert (ran.code, ran.json) == (0, {"id": "dp_1", "outcome": "removed"})


@pytest.mark.parametrize(
    ("latest_on", "open_invocations", "why"),
    [("dp_1", 0, "latest revision of Counter"), ("dp_2", 7, "7 open invocations")],
)
def test_a_deployment_that_is_needed_stays(latest_on, open_invocations, why):
    admin = admin_with(latest_on, open_invocations)
    ran = User(admin).runs("-y", "dp", "rm", "dp_1")
    assert ran.code == EXIT_REFUSED
    assert why in ran.err
    assert "--force" in ran.err
    assert admin.changes == []
    admin.answers["DELETE /deployments/dp_1?force=true"] = (202, None)
    assert User(admin).runs("-y", "dp", "rm", "dp_1", "--force").code == 0


# -- register


def test_a_registration_is_tried_shown_and_made():
    known = {"name": "Counter", "ty": "VirtualObject", "revision": 1, "handlers": [{"name": "old"}]}
    new = deployment()
    new["services"].append({"name": "A", "ty": "Service", "revision": 1, "handlers": []})
    admin = Admin({"POST /deployments": (201, new), "GET /services/Counter": known})
    ran = User(admin).runs("-y", "dp", "add", "9080")
    assert (ran.code, ran.out) == (0, "dp_1\n")
    tried, made = admin.changes
    assert tried.body == {
        "uri": "http://localhost:9080",
        "use_http_11": False,
        "force": False,
        "breaking": False,
        "dry_run": True,
    }
    assert made.body == tried.body | {"dry_run": False}
    assert "revision 1 to 2: +add, +get, -old" in ran.err
    assert ["A", "Service", "1", "new"] in [line.split() for line in ran.err.splitlines()]


def test_a_registration_can_only_be_shown():
    admin = Admin({"POST /deployments": (201, deployment())})
    ran = User(admin).runs("dp", "register", "http://x", "--dry-run", "--json")
    assert ran.json["services"][0]["change"] == "new"
    assert [sent.body["dry_run"] for sent in admin.changes] == [True]


def test_a_known_address_is_left_alone():
    admin = Admin({"POST /deployments": (200, deployment())})
    ran = User(admin).runs("-y", "dp", "register", "http://dp_1/", "--json")
    assert (ran.code, ran.json) == (0, {"outcome": "unchanged", "id": "dp_1"})
    assert "--force" in ran.err
    assert len(admin.changes) == 1


def request(deployment, **options):
    nothing = {"force": False, "breaking": False, "use_http_11": False, "headers": ()}
    nothing |= {"metadata": (), "assume_role_arn": None}
    return request_body(deployment, **(nothing | options))


def test_requests_hold_what_was_said():
    assert request("arn:aws:x", assume_role_arn="arn:role", metadata=("a=b=c",)) == {
        "arn": "arn:aws:x",
        "assume_role_arn": "arn:role",
        "metadata": {"a": "b=c"},
        "force": False,
        "breaking": False,
    }
    assert request("h:1", headers=("x=y",))["additional_headers"] == {"x": "y"}
    assert [full_address(text) for text in ("9080", "host:1/p", "https://h")] == [
        "http://localhost:9080",
        "http://host:1/p",
        "https://h",
    ]


@pytest.mark.parametrize(
    ("deployment", "options"),
    [
        ("arn:aws:x", {"use_http_11": True}),
        ("http://x", {"assume_role_arn": "arn:role"}),
        ("http://x", {"metadata": ("a",)}),
        ("http://x", {"headers": ("=b",)}),
    ],
)
def test_options_that_do_not_fit_are_refused(deployment, options):
    with pytest.raises(UsageError):
        request(deployment, **options)


# -- Subscriptions

SUBSCRIPTION = {"id": "sub_1", "source": "kafka://c/t", "sink": "service://Counter/add"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--gcp-id-token", "--extra-header NAME=VALUE"),
        ("--gcp-impersonate-service-account a@b", "Let a proxy"),
        ("--gcp-audience here", "identity tokens"),
        ("--tunnel-name t", "Register an address that the server reaches"),
    ],
)
def test_what_other_servers_can_do_is_answered_with_what_to_do_instead(words, told):
    user = User(Admin())
    ran = user.runs("dp", "register", "9080", *words.split())
    assert ran.code == EXIT_USAGE
    assert told in ran.err
    assert user.admin.sent == []


def test_subscriptions_are_listed_shown_made_and_deleted():
    admin = Admin(
        {
            "GET /subscriptions": {"subscriptions": [SUBSCRIPTION]},
            "GET /subscriptions?source=kafka%3A%2F%2Fc%2Ft": {"subscriptions": []},
            "GET /subscriptions/sub_1": SUBSCRIPTION | {"options": {"group.id": "g"}},
            "POST /subscriptions": (201, SUBSCRIPTION),
            "DELETE /subscriptions/sub_1": (202, None),
        }
    )
    user = User(admin)
    assert user.runs("sub", "ls", "--json").json == [SUBSCRIPTION]
    assert user.runs("sub", "ls", "--source", "kafka://c/t", "--json").json == []
    assert ["group.id", "g"] in user.runs("sub", "get", "sub_1").lines
    words = ["kafka://c/t", "service://Counter/add", "group.id=g"]
    assert user.runs("-y", "sub", "create", *words).out == "sub_1\n"
    assert admin.changes[-1].body["options"] == {"group.id": "g"}
    assert user.runs("-y", "sub", "rm", "sub_1").code == 0
    assert user.runs("sub", "create", *words).code == EXIT_USAGE


SUBSCRIBED = {
    "source": "kafka://c/t",
    "sink": "service://Counter/add",
    "options": {"group.id": "g"},
}


def test_a_subscription_is_read_from_toml_and_from_standard_input(tmp_path):
    file = tmp_path / "subscription.toml"
    ends = 'source = "kafka://c/t"\nsink = "service://Counter/add"\n'
    file.write_text(ends + '[options]\n"group.id" = "g"\n')
    user = User(Admin({"POST /subscriptions": (201, SUBSCRIPTION)}))
    assert user.runs("-y", "sub", "create", "-f", str(file)).code == 0
    user.pipes = "sink=service://Counter/add\ngroup.id=g\n"
    assert user.runs("-y", "sub", "create", "kafka://c/t", "-f", "-").code == 0
    assert [sent.body for sent in user.admin.changes] == [SUBSCRIBED, SUBSCRIBED]
    file.write_text("[properties]\na = 1")
    ran = user.runs("-y", "sub", "create", "-f", str(file))
    assert ran.code == EXIT_USAGE
    assert "write source, sink, [options] there" in ran.err


def test_a_subscription_is_read_from_a_file_or_written_in_an_editor(tmp_path):
    file = tmp_path / "subscription.properties"
    file.write_text("source=kafka://other/t\nsink=service://Counter/add\ngroup.id=g\n")
    answers = {"POST /subscriptions": (201, SUBSCRIPTION)}
    user = User(Admin(answers))
    assert user.runs("-y", "sub", "create", "kafka://c/t", "-f", str(file)).code == 0
    assert user.admin.changes[-1].body == SUBSCRIBED

    user = User(Admin(answers), writes=file.read_text().replace("other", "c"))
    assert user.runs("-y", "sub", "create", "--edit").code == 0
    assert user.edited == "sink=\nsource=\n"
    assert user.admin.changes[-1].body == SUBSCRIBED


@pytest.mark.parametrize("words", [(), ("kafka://c/t",), ("--edit",)])
def test_a_subscription_has_two_ends(words):
    user = User(Admin())
    ran = user.runs("-y", "sub", "create", *words)
    assert ran.code == EXIT_USAGE
    assert "sink" in ran.err
    assert user.admin.changes == []
