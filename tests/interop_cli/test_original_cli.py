"""The original command line drives our admin API: every command that can.

Left out are those of its cloud, ``example``, which downloads, and ``dev``, which starts its own
server.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from itertools import count

import pytest
from original_cli import RefusedError

import perdure

NUMBERS = count()


def completed(server):
    response = server.call("/Greeter/greet", "x", idempotency_key=f"cli{next(NUMBERS)}")
    return response.headers["x-restate-id"]


def waiting(server):
    return server.send("/Greeter/wait/send")


# About the server


def test_whoami(cli, server):
    said = cli("whoami")
    assert "is healthy" in said
    assert server.ingress in said


# Its configuration, of which only the address of the server is ours to answer


def test_environments(cli, server):
    assert "local" in cli("config", "list-environments")
    added = f'[ours]\\nadmin_base_url = "{server.admin}"\\n'
    cli("config", "edit", edit=("", added))
    assert server.admin in cli("config", "view")
    cli("config", "use-environment", "ours")
    assert server.admin in cli("config", "list-environments")
    assert "is healthy" in cli("whoami", without=("RESTATE_ADMIN_URL",))
    cli("config", "use-environment", "local")
    said = cli("-e", "ours", "services", "list", without=("RESTATE_ADMIN_URL",))
    assert "Greeter" in said


def test_completions(cli, home):
    assert "invocations" in cli("completions", "generate", "bash")
    assert "installed" in cli("completions", "install", "bash")
    assert any(path.name == "restate" for path in home.rglob("completions/*"))


# Services


def test_services_list(cli):
    said = cli("services", "list", "--extra")
    assert said.index("Counter") < said.index("Greeter") < said.index("Signup")
    assert "virtual object" in said
    assert "Greeter" in cli("services", "list", "--public-only")


def test_services_describe(cli):
    said = cli("services", "describe", "Greeter")
    assert "Service type:    Service" in said
    assert "JSON string" in said
    with pytest.raises(RefusedError, match="'Nope' does not exist"):
        cli("services", "describe", "Nope")


def test_services_status(cli, server):
    invocation_id = waiting(server)
    assert "Greeter" in cli("services", "status")
    assert invocation_id in cli("services", "status", "Greeter")


def test_services_config(cli):
    cli("services", "config", "patch", "Counter", "--public", "false", "--abort-timeout", "7m")
    said = cli("services", "config", "view", "Counter")
    assert "Public:  false" in said
    assert "Abort timeout:  7m" in said
    cli("services", "config", "patch", "Counter", "--public", "true")
    assert "Public:  true" in cli("services", "config", "view", "Counter")


def test_services_config_edit(cli):
    cli(
        "services",
        "config",
        "edit",
        "Signup",
        edit=('# inactivity_timeout = "1min"', 'inactivity_timeout = "3m"'),
    )
    assert "Inactivity timeout:  3m" in cli("services", "config", "view", "Signup")


# Deployments


@contextlib.contextmanager
def remote_services():
    """Serve an application elsewhere, over HTTP/1.1; give its address."""
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    remote = perdure.Service("Remote")

    @remote.handler()
    async def echo(ctx: perdure.Context, text: str) -> str:
        return text

    config = uvicorn.Config(perdure.app([remote]), log_level="error", ws="none")
    elsewhere = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=elsewhere.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            elsewhere.should_exit = True
            thread.join(20)


def test_deployments(cli, server):
    with remote_services() as address:
        header = ("--extra-header", "x-api-key=secret")
        said = cli("deployments", "register", address, "--use-http1.1", *header)
        assert "Remote" in said
        assert server.call("/Remote/echo", "x").json() == "x"
        listed = cli("deployments", "list", "--extra")
        assert f"{address}/" in listed
        deployments = server.ask("GET", "/deployments").json()["deployments"]
        (ours,) = (each for each in deployments if each["uri"] == f"{address}/")
        assert ours["additional_headers"] == {"x-api-key": "***"}
        described = cli("deployments", "describe", ours["id"], "--extra")
        assert "echo" in described
        assert "secret" not in described
        cli("deployments", "register", address, "--use-http1.1", "--force")
        assert "Remote" in cli("deployments", "remove", ours["id"], "--force")
        assert f"{address}/" not in cli("deployments", "list")
    with pytest.raises(RefusedError):
        cli("deployments", "describe", ours["id"])


# Kafka clusters and subscriptions


def test_kafka_clusters(cli):
    properties = ("bootstrap.servers=127.0.0.1:1", "sasl.password=secret")
    cli("kafka-clusters", "create", "kc1", *properties)
    assert "127.0.0.1:1" in cli("kafka-clusters", "list")
    said = cli("kafka-clusters", "describe", "kc1")
    assert "***" in said
    assert "secret" not in said
    changes = ("--set", "bootstrap.servers=127.0.0.1:2", "--set", "sasl.password=other")
    cli("kafka-clusters", "patch", "kc1", *changes)
    assert "127.0.0.1:2" in cli("kafka-clusters", "list")
    cli("kafka-clusters", "edit", "kc1", edit=("127.0.0.1:2", "127.0.0.1:3"))
    said = cli("kafka-clusters", "describe", "kc1")
    assert "127.0.0.1:3" in said
    assert "***" in said, "the secret, which the editor did not show, is still there"
    cli("kafka-clusters", "patch", "kc1", "--unset", "sasl.password", "--set", "a=b")
    assert "sasl.password" not in cli("kafka-clusters", "describe", "kc1")
    cli("kafka-clusters", "delete", "kc1")
    assert "kc1" not in cli("kafka-clusters", "list")


def test_kafka_clusters_and_subscriptions_from_files(cli, server, home):
    properties, subscription = home / "cluster", home / "subscription"
    properties.write_text("bootstrap.servers=127.0.0.1:1\n")
    cli("kafka-clusters", "create", "kc3", "--from-file", str(properties))
    assert "127.0.0.1:1" in cli("kafka-clusters", "describe", "kc3")
    subscription.write_text("source=kafka://kc3/t\nsink=service://Counter/add\na=b\n")
    cli("subscriptions", "create", "--from-file", str(subscription))
    assert "kafka://kc3/t" in cli("subscriptions", "list", "--sink", "service://Counter/add")
    with pytest.raises(RefusedError, match="orphan"):
        cli("kafka-clusters", "delete", "kc3")
    cli("kafka-clusters", "delete", "kc3", "--force")
    (orphan,) = server.ask("GET", "/subscriptions?source=kafka://kc3/t").json()["subscriptions"]
    cli("subscriptions", "delete", orphan["id"])


def test_kafka_clusters_and_subscriptions_from_an_editor(cli, server):
    written = "bootstrap.servers=127.0.0.1:1\\n"
    cli("kafka-clusters", "create", "kc4", "--edit", edit=("", written))
    written = "source=kafka://kc4/t\\nsink=service://Counter/add\\n"
    cli("subscriptions", "create", "--edit", edit=("", written))
    assert "kafka://kc4/t" in cli("subscriptions", "list")
    (created,) = server.ask("GET", "/subscriptions?source=kafka://kc4/t").json()["subscriptions"]
    cli("subscriptions", "delete", created["id"])
    cli("kafka-clusters", "delete", "kc4")


def test_subscriptions(cli, server):
    with pytest.raises(RefusedError, match="Kafka cluster 'kc2' not found"):
        cli("subscriptions", "create", "kafka://kc2/t", "service://Counter/add")
    cli("kafka-clusters", "create", "kc2", "bootstrap.servers=127.0.0.1:1")
    cli("subscriptions", "create", "kafka://kc2/t", "service://Counter/add", "a=b")
    (created,) = server.ask("GET", "/subscriptions").json()["subscriptions"]
    assert created["id"] in cli("subscriptions", "list", "--source", "kafka://kc2/t")
    assert created["id"] not in cli("subscriptions", "list", "--source", "kafka://kc2/u")
    assert "service://Counter/add" in cli("subscriptions", "describe", created["id"])
    with pytest.raises(RefusedError, match="orphan"):
        cli("kafka-clusters", "delete", "kc2")
    cli("subscriptions", "delete", created["id"])
    assert created["id"] not in cli("subscriptions", "list")
    cli("kafka-clusters", "delete", "kc2")


# Invocations


def test_invocations_list_and_describe(cli, server):
    invocation_id = completed(server)
    said = cli("invocations", "list", "--all", "--service", "Greeter")
    assert invocation_id in said
    described = cli("invocations", "describe", invocation_id)
    assert "completed with success" in described
    assert "Command: Output" in described


def test_invocations_are_listed_by_what_they_are(cli, server):
    held = server.send("/Counter/listed/hold/send")
    queued = server.send("/Counter/listed/add/send", 1)
    failed = server.call("/Greeter/fail", "x", idempotency_key=f"cli{next(NUMBERS)}")
    failed_id = failed.headers["x-restate-id"]
    of_key = cli("invocations", "list", "--key", "listed", "--virtual-objects-only")
    assert of_key.index(queued) < of_key.index(held)
    oldest_first = cli("invocations", "list", "--key", "listed", "--oldest-first")
    assert oldest_first.index(held) < oldest_first.index(queued)
    assert held not in cli("invocations", "list", "--key", "listed", "--status", "pending")
    said = cli("invocations", "list", "--completion-result", "failure")
    assert failed_id in said
    assert held not in said
    (deployment,) = server.ask("GET", "/deployments").json()["deployments"]
    pinned = ("--deployment", deployment["id"], "--handler", "hold", "--service", "Counter")
    assert held in cli("invocations", "list", *pinned)
    assert held not in cli("invocations", "list", "--zombie")
    status = cli("services", "status", "Counter")
    assert f"{held} (running)" in status
    assert "Killed 2" in cli("invocations", "kill", "Counter/listed", "--limit", "5")


def test_invocations_are_paused_and_resumed(cli, server):
    invocation_id = waiting(server)
    assert "Paused 1" in cli("invocations", "pause", invocation_id)
    assert server.status(invocation_id) == "paused"
    resume = ("invocations", "resume", invocation_id, "--deployment", "latest")
    assert "Resumed 1" in cli(*resume)
    assert server.status(invocation_id) == "running"


def test_invocations_are_cancelled_and_killed(cli, server):
    first, second = waiting(server), waiting(server)
    assert "Cancelled 1" in cli("invocations", "cancel", first)
    assert "Killed 1" in cli("invocations", "cancel", "--kill", waiting(server))
    assert second in cli("invocations", "kill", "Greeter/wait")
    assert server.status(second) == "completed"
    with pytest.raises(RefusedError, match="No invocations found"):
        cli("invocations", "kill", second)


def test_invocations_are_restarted_and_purged(cli, server):
    invocation_id = completed(server)
    assert "Restarted 1" in cli("invocations", "restart-as-new", invocation_id)
    assert "Purged 1" in cli("invocations", "purge", invocation_id)
    assert server.ask("GET", f"/invocations/{invocation_id}").status_code == 404


# State and SQL


def test_state(cli, server):
    server.call("/Counter/s/add", 5)
    assert json.loads(cli("state", "get", "--plain", "Counter", "s")) == {"count": 5}
    patch = [{"op": "replace", "path": "/count", "value": 8}]
    cli("state", "patch", "--patch", json.dumps(patch), "Counter", "s")
    assert server.call("/Counter/s/add", 1).json() == 9
    cli("state", "edit", "Counter", "s", edit=("9", "20"))
    assert server.call("/Counter/s/add", 1).json() == 21
    held = server.send("/Counter/s/hold/send")
    cli("state", "clear", "Counter/s")
    query = "SELECT id FROM sys_inbox WHERE service_key = 's'"
    (queued,) = json.loads(cli("sql", query, "--json"))
    assert queued["id"].startswith("mut_1")
    cli("invocations", "kill", held)
    assert server.call("/Counter/s/add", 1).json() == 1


def test_sql(cli, server):
    invocation_id = waiting(server)
    query = "SELECT id, target FROM sys_invocation WHERE status = 'running'"
    rows = json.loads(cli("sql", query, "--json"))
    assert {"id": invocation_id, "target": "Greeter/wait"} in rows
    assert invocation_id in cli("sql", query)
    assert {"id": invocation_id, "target": "Greeter/wait"} in [
        json.loads(line) for line in cli("sql", query, "--jsonl").splitlines()
    ]
    with pytest.raises(RefusedError):
        cli("sql", "DROP TABLE sys_invocation")


# Flow control


def test_rules(cli, server):
    assert "No rules" in cli("rules", "list")
    created = ("--concurrency", "5", "--description", "what for", "--disabled")
    assert "Created rule 'tenant/*'" in cli("rules", "set", "tenant/*", *created)
    (row,) = listed_rules(cli)
    assert row[:3] == ["tenant/*", "5", "yes"]
    assert row[3:6] == ["what", "for", "1"]
    assert "Updated rule 'tenant/*'" in cli("rules", "set", "tenant/*", "--concurrency", "7")
    assert "enabled" in cli("rules", "enable", "tenant/*")
    assert "already enabled" in cli("rules", "enable", "tenant/*")
    (row,) = listed_rules(cli)
    assert row[:6] == ["tenant/*", "7", "no", "what", "for", "3"]
    assert "disabled" in cli("rules", "disable", "tenant/*")
    cli("rules", "set", "*", "--unlimited")
    assert [row[:3] for row in listed_rules(cli)] == [
        ["*", "unlimited", "no"],
        ["tenant/*", "7", "yes"],
    ]
    for pattern in ("tenant/*", "*"):
        assert f"Deleted rule '{pattern}'" in cli("rules", "delete", pattern)
    assert "No rules" in cli("rules", "list")
    for change in ("enable", "disable", "delete"):
        with pytest.raises(RefusedError, match="No rule found"):
            cli("rules", change, "tenant/*")
    with pytest.raises(RefusedError, match="outside the allowed set"):
        cli("rules", "set", "a b", "--concurrency", "1")


def listed_rules(cli):
    return [line.split() for line in cli("rules", "list", "--extra").splitlines()[1:] if line]


def test_there_are_no_virtual_queues(cli):
    assert "No virtual queues" in cli("vqueues", "list", "--limit", "5")
    with pytest.raises(RefusedError, match="not found"):
        cli("vqueues", "describe", "vq_1ir2UWPztvxn3nUSEjFHK8WVVxrnXf4hyE", "--newest-first")
