"""Settings: every key, from its text to what it sets; and what is not understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from perdure.core.model.deployments import Ceilings, Defaults
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.server.config_file import parse_keys
from perdure.server.setting_keys import KEYS, environment_name, read_environment
from perdure.server.setting_values import Address, inline_table, parse_address, parse_size
from perdure.server.settings import Settings, SettingsError

#: Every key: its variable, a text, and what it means.
EVERY_KEY = {
    "ingress.bind-address": (
        "PERDURE_INGRESS__BIND_ADDRESS",
        "0.0.0.0:80",
        {"ingress": Address("0.0.0.0", 80)},  # noqa: S104 - nothing is bound
    ),
    "admin.bind-address": (
        "PERDURE_ADMIN__BIND_ADDRESS",
        "[::1]:9071",
        {"admin": Address("::1", 9071)},
    ),
    "base-dir": ("PERDURE_BASE_DIR", "/srv/data", {"data_dir": Path("/srv/data")}),
    "ingress.advertised-ingress-endpoint": (
        "PERDURE_INGRESS__ADVERTISED_INGRESS_ENDPOINT",
        "https://shop.example",
        {"advertised_ingress": "https://shop.example"},
    ),
    "admin.allow-link-local-deployments": (
        "PERDURE_ADMIN__ALLOW_LINK_LOCAL_DEPLOYMENTS",
        "true",
        {"allow_link_local": True},
    ),
    "admin.query-engine.memory-size": (
        "PERDURE_ADMIN__QUERY_ENGINE__MEMORY_SIZE",
        "1 GiB",
        {"query_memory_bytes": 2**30},
    ),
    "ingress.request-size-limit": (
        "PERDURE_INGRESS__REQUEST_SIZE_LIMIT",
        "1 MiB",
        {"request_bytes_limit": 1_048_576},
    ),
    "ingress.http2-max-concurrent-streams": (
        "PERDURE_INGRESS__HTTP2_MAX_CONCURRENT_STREAMS",
        "1000",
        {"ingress_streams_limit": 1_000},
    ),
    "default-num-partitions": ("PERDURE_DEFAULT_NUM_PARTITIONS", "4", {"partitions": 4}),
    "cluster-name": ("PERDURE_CLUSTER_NAME", "blue", {"cluster_name": "blue"}),
    "node-name": ("PERDURE_NODE_NAME", "one", {"node_name": "one"}),
    "default-idempotency-retention": (
        "PERDURE_DEFAULT_IDEMPOTENCY_RETENTION",
        "2h",
        {"idempotency_retention_ms": 7_200_000},
    ),
    "default-workflow-completion-retention": (
        "PERDURE_DEFAULT_WORKFLOW_COMPLETION_RETENTION",
        "3h",
        {"workflow_retention_ms": 10_800_000},
    ),
    "worker.invoker.disable-eager-state": (
        "PERDURE_WORKER__INVOKER__DISABLE_EAGER_STATE",
        "true",
        {"disable_eager_state": True},
    ),
    "worker.invoker.message-size-limit": (
        "PERDURE_WORKER__INVOKER__MESSAGE_SIZE_LIMIT",
        "1.5 MiB",
        {"message_bytes_limit": 1_572_864},
    ),
    "worker.invoker.connect-timeout": (
        "PERDURE_WORKER__INVOKER__CONNECT_TIMEOUT",
        "1s",
        {"connect_timeout_ms": 1_000},
    ),
    "worker.invoker.http2-keep-alive-interval": (
        "PERDURE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_INTERVAL",
        "4s",
        {"ping_interval_ms": 4_000},
    ),
    "worker.invoker.http2-keep-alive-timeout": (
        "PERDURE_WORKER__INVOKER__HTTP2_KEEP_ALIVE_TIMEOUT",
        "2s",
        {"ping_timeout_ms": 2_000},
    ),
    "worker.invoker.http2-idle-connection-timeout": (
        "PERDURE_WORKER__INVOKER__HTTP2_IDLE_CONNECTION_TIMEOUT",
        "1m",
        {"idle_timeout_ms": 60_000},
    ),
    "worker.invoker.http2-streams-per-connection-limit": (
        "PERDURE_WORKER__INVOKER__HTTP2_STREAMS_PER_CONNECTION_LIMIT",
        "16",
        {"streams_limit": 16},
    ),
    "worker.invoker.http2-requests-per-connection-limit": (
        "PERDURE_WORKER__INVOKER__HTTP2_REQUESTS_PER_CONNECTION_LIMIT",
        "100",
        {"connection_requests_limit": 100},
    ),
    "worker.invoker.http2-initial-stream-window-size": (
        "PERDURE_WORKER__INVOKER__HTTP2_INITIAL_STREAM_WINDOW_SIZE",
        "64 KiB",
        {"stream_window_bytes": 65_536},
    ),
    "worker.invoker.http2-initial-connection-window-size": (
        "PERDURE_WORKER__INVOKER__HTTP2_INITIAL_CONNECTION_WINDOW_SIZE",
        "1 MiB",
        {"connection_window_bytes": 1_048_576},
    ),
    "worker.invoker.additional-request-headers": (
        "PERDURE_WORKER__INVOKER__ADDITIONAL_REQUEST_HEADERS",
        '{X-Tenant = "blue", x-note = "a b"}',
        {"additional_headers": {"x-tenant": "blue", "x-note": "a b"}},
    ),
    "worker.invoker.max-awaited-future-depth": (
        "PERDURE_WORKER__INVOKER__MAX_AWAITED_FUTURE_DEPTH",
        "10",
        {"future_levels_max": 10},
    ),
    "worker.invoker.eager-state-size-limit": (
        "PERDURE_WORKER__INVOKER__EAGER_STATE_SIZE_LIMIT",
        "0",
        {"eager_state_bytes_limit": 0},
    ),
    "worker.invoker.memory-limit": (
        "PERDURE_WORKER__INVOKER__MEMORY_LIMIT",
        "64 MiB",
        {"memory_bytes_limit": 67_108_864},
    ),
    "worker.num-timers-in-memory-limit": (
        "PERDURE_WORKER__NUM_TIMERS_IN_MEMORY_LIMIT",
        "100",
        {"timers_in_memory_limit": 100},
    ),
    "ingress.concurrent-api-requests-limit": (
        "PERDURE_INGRESS__CONCURRENT_API_REQUESTS_LIMIT",
        "50",
        {"requests_limit": 50},
    ),
    "worker.invoker.ca-file": (
        "PERDURE_WORKER__INVOKER__CA_FILE",
        "ca.pem",
        {"ca_file": Path("ca.pem")},
    ),
    "worker.invoker.request-identity-private-key-pem-file": (
        "PERDURE_WORKER__INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE",
        "key.pem",
        {"identity_key_file": Path("key.pem")},
    ),
    "worker.invoker.request-identity-expiration": (
        "PERDURE_WORKER__INVOKER__REQUEST_IDENTITY_EXPIRATION",
        "30s",
        {"identity_expiration_ms": 30_000},
    ),
    "worker.invoker.request-compression-threshold": (
        "PERDURE_WORKER__INVOKER__REQUEST_COMPRESSION_THRESHOLD",
        "1 MiB",
        {"compression_threshold_bytes": 1_048_576},
    ),
    "worker.invoker.aws-profile": (
        "PERDURE_WORKER__INVOKER__AWS_PROFILE",
        "shop",
        {"aws_profile": "shop"},
    ),
    "worker.invoker.aws-assume-role-external-id": (
        "PERDURE_WORKER__INVOKER__AWS_ASSUME_ROLE_EXTERNAL_ID",
        "x-1",
        {"aws_external_id": "x-1"},
    ),
    "shutdown-timeout": ("PERDURE_SHUTDOWN_TIMEOUT", "3s", {"shutdown_timeout_ms": 3_000}),
    "default-journal-retention": (
        "PERDURE_DEFAULT_JOURNAL_RETENTION",
        "PT1H",
        {"journal_retention_ms": 3_600_000},
    ),
    "max-journal-retention": (
        "PERDURE_MAX_JOURNAL_RETENTION",
        "30m",
        {"journal_retention_max_ms": 1_800_000},
    ),
    "max-idempotency-retention": (
        "PERDURE_MAX_IDEMPOTENCY_RETENTION",
        "40m",
        {"idempotency_retention_max_ms": 2_400_000},
    ),
    "max-workflow-completion-retention": (
        "PERDURE_MAX_WORKFLOW_COMPLETION_RETENTION",
        "7d",
        {"workflow_retention_max_ms": 604_800_000},
    ),
    "max-retry-policy-max-attempts": (
        "PERDURE_MAX_RETRY_POLICY_MAX_ATTEMPTS",
        "100",
        {"retry_attempts_ceiling": 100},
    ),
    "default-retry-policy.initial-interval": (
        "PERDURE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL",
        "50ms",
        {"retry_initial_interval_ms": 50},
    ),
    "default-retry-policy.exponentiation-factor": (
        "PERDURE_DEFAULT_RETRY_POLICY__EXPONENTIATION_FACTOR",
        "1.5",
        {"retry_exponentiation_factor": 1.5},
    ),
    "default-retry-policy.max-interval": (
        "PERDURE_DEFAULT_RETRY_POLICY__MAX_INTERVAL",
        "5m",
        {"retry_max_interval_ms": 300_000},
    ),
    "default-retry-policy.max-attempts": (
        "PERDURE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS",
        "3",
        {"retry_max_attempts": 3},
    ),
    "default-retry-policy.on-max-attempts": (
        "PERDURE_DEFAULT_RETRY_POLICY__ON_MAX_ATTEMPTS",
        "kill",
        {"retry_on_max_attempts": OnExhausted.KILL},
    ),
    "worker.cleanup-interval": (
        "PERDURE_WORKER__CLEANUP_INTERVAL",
        "1h",
        {"cleanup_interval_ms": 3_600_000},
    ),
    "worker.invoker.concurrent-invocations-limit": (
        "PERDURE_WORKER__INVOKER__CONCURRENT_INVOCATIONS_LIMIT",
        "64",
        {"invocations_limit": 64},
    ),
    "worker.invoker.in-memory-queue-length-limit": (
        "PERDURE_WORKER__INVOKER__IN_MEMORY_QUEUE_LENGTH_LIMIT",
        "66049",
        {"queue_limit": 66_049},
    ),
    "worker.invoker.journal-entries-limit": (
        "PERDURE_WORKER__INVOKER__JOURNAL_ENTRIES_LIMIT",
        "500",
        {"journal_entries_limit": 500},
    ),
    "worker.invoker.journal-size-limit": (
        "PERDURE_WORKER__INVOKER__JOURNAL_SIZE_LIMIT",
        "1 MiB",
        {"journal_bytes_limit": 2**20},
    ),
    "worker.invoker.inactivity-timeout": (
        "PERDURE_WORKER__INVOKER__INACTIVITY_TIMEOUT",
        "30s",
        {"inactivity_timeout_ms": 30_000},
    ),
    "worker.invoker.abort-timeout": (
        "PERDURE_WORKER__INVOKER__ABORT_TIMEOUT",
        "2 minutes",
        {"abort_timeout_ms": 120_000},
    ),
}


def test_every_key_is_told_of_here():
    assert set(EVERY_KEY) == set(KEYS)


@pytest.mark.parametrize("key", EVERY_KEY)
def test_every_key_is_read_from_the_environment_and_by_its_name(key):
    variable, text, expected = EVERY_KEY[key]
    assert environment_name(key) == variable
    assert read_environment({variable: text}) == expected
    assert parse_keys({key: text}, "settings") == expected
    assert replace(Settings(), **expected) != Settings(), "it makes a difference"


def test_all_keys_together():
    environment = {variable: text for variable, text, _ in EVERY_KEY.values()}
    expected = {}
    for _, _, values in EVERY_KEY.values():
        expected |= values
    assert read_environment(environment) == expected
    assert set(expected) == set(Settings.__struct_fields__), "no field is out of reach"


def test_other_variables_are_nobody_s_business():
    assert read_environment({"PATH": "/bin", "perdure_base_dir": "x", "_PERDURE_X": "y"}) == {}


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("PERDURE_BASEDIR", "PERDURE_BASE_DIR"),
        ("PERDURE_WORKER_CLEANUP_INTERVAL", "PERDURE_WORKER__CLEANUP_INTERVAL"),
        ("PERDURE_INGRESS__BIND_ADRESS", "PERDURE_INGRESS__BIND_ADDRESS"),
        ("PERDURE_CONNECT_TIMEOUT", "PERDURE_WORKER__INVOKER__CONNECT_TIMEOUT"),
        ("PERDURE_INGRES__BIND_ADDRESS", "PERDURE_INGRESS__BIND_ADDRESS"),
        ("PERDURE_ADMN__BIND_ADDRESS", "PERDURE_ADMIN__BIND_ADDRESS"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_with_a_hint(variable, hint):
    with pytest.raises(SettingsError, match=f"{variable} is no setting.*did you mean {hint}\\?"):
        read_environment({variable: "x"})


def test_what_kubernetes_says_of_a_service_of_our_name_is_no_setting():
    told = {
        "PERDURE_SERVICE_HOST": "10.0.0.11",
        "PERDURE_SERVICE_PORT": "8080",
        "PERDURE_SERVICE_PORT_INGRESS": "8080",
        "PERDURE_PORT": "tcp://10.0.0.11:8080",
        "PERDURE_PORT_8080_TCP": "tcp://10.0.0.11:8080",
        "PERDURE_PORT_8080_TCP_PROTO": "tcp",
        "PERDURE_PORT_8080_TCP_PORT": "8080",
        "PERDURE_PORT_8080_TCP_ADDR": "10.0.0.11",
        "PERDURE_ADMIN_SERVICE_HOST": "10.0.0.12",
        "PERDURE_ADMIN_PORT": "tcp://10.0.0.12:9070",
    }
    assert read_environment(told) == {}
    with pytest.raises(SettingsError, match="PERDURE_ADMIN_PORT is no setting"):
        read_environment({"PERDURE_ADMIN_PORT": "9070"})


def test_the_key_that_signs_requests_has_an_older_name():
    expected = {"identity_key_file": Path("/k.pem")}
    assert parse_keys({"request-identity-private-key-pem-file": "/k.pem"}, "settings") == expected
    variable = "PERDURE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE"
    assert read_environment({variable: "/k.pem"}) == expected


def test_a_variable_that_is_like_no_setting_is_refused_all_the_same():
    with pytest.raises(SettingsError, match=r"PERDURE_ZZZ is no setting of Perdure$"):
        read_environment({"PERDURE_ZZZ": "x"})


@pytest.mark.parametrize(
    ("key", "text", "instead"),
    [
        ("ingress.bind-address", "8080", "127.0.0.1:8080"),
        ("ingress.bind-address", "localhost:http", "127.0.0.1:8080"),
        ("admin.bind-address", "localhost:65536", "127.0.0.1:8080"),
        ("admin.bind-address", "localhost:-1", "127.0.0.1:8080"),
        ("ingress.bind-address", "[::1:8080", "[::1]:8080"),
        ("ingress.bind-address", "[localhost]:8080", "127.0.0.1:8080"),
        ("ingress.bind-address", "http://localhost:8080", "127.0.0.1:8080"),
        ("ingress.bind-address", "local host:8080", "127.0.0.1:8080"),
        ("ingress.advertised-ingress-endpoint", "", "https://ingress.example"),
        ("ingress.advertised-ingress-endpoint", "shop.example:8080", "https://ingress.example"),
        ("ingress.advertised-ingress-endpoint", "http://", "https://ingress.example"),
        ("ingress.advertised-ingress-endpoint", "http://i:99999", "https://ingress.example"),
        ("ingress.advertised-ingress-endpoint", "http://[::1", "https://ingress.example"),
        ("ingress.advertised-ingress-endpoint", "http://shop example", "without spaces"),
        ("worker.invoker.connect-timeout", "0", "from 100ms to 365d"),
        ("worker.invoker.http2-keep-alive-interval", "0s", "from 100ms to 365d"),
        ("worker.invoker.http2-keep-alive-timeout", "99ms", "from 100ms to 365d"),
        ("worker.invoker.http2-idle-connection-timeout", "366d", "from 100ms to 365d"),
        ("shutdown-timeout", "366d", "up to 365d"),
        ("base-dir", "", "./perdure-data"),
        ("base-dir", "~nobody-of-this-name/data", "without ~"),
        ("shutdown-timeout", "soon", "duration"),
        ("shutdown-timeout", "-1s", ""),
        ("default-retry-policy.exponentiation-factor", "0.5", "from 1 to 1000"),
        ("default-retry-policy.exponentiation-factor", "nan", "from 1 to 1000"),
        ("default-retry-policy.exponentiation-factor", "inf", "from 1 to 1000"),
        ("default-retry-policy.exponentiation-factor", "two", "from 1 to 1000"),
        ("default-retry-policy.max-attempts", "0", "whole number from 1, or unlimited"),
        ("default-retry-policy.max-attempts", "many", "whole number from 1, or unlimited"),
        ("default-retry-policy.on-max-attempts", "explode", "pause or kill"),
        ("cluster-name", "two words", "without spaces"),
        ("cluster-name", "", "without spaces"),
        ("admin.allow-link-local-deployments", "yes", "true or false"),
        ("worker.invoker.message-size-limit", "32 potatoes", "32 MiB"),
        ("worker.invoker.message-size-limit", "-1", "32 MiB"),
        ("worker.invoker.message-size-limit", "0", "at most 32 MiB"),
        ("worker.invoker.message-size-limit", "33 MiB", "at most 32 MiB"),
        ("ingress.request-size-limit", "33 MiB", "at most 32 MiB"),
        ("ingress.http2-max-concurrent-streams", "10001", "from 1 to 10000"),
        ("admin.query-engine.memory-size", "1 kB", "at least 1 MiB"),
        ("ingress.request-size-limit", "0", "at most 32 MiB"),
        ("worker.invoker.http2-initial-stream-window-size", "65535", "from 64 KiB"),
        ("worker.invoker.http2-initial-connection-window-size", "2 GiB", "to 1 GiB"),
        ("worker.invoker.max-awaited-future-depth", "1001", "from 1 to 1000"),
        ("worker.invoker.ca-file", "", "write a path"),
        ("default-num-partitions", "0", "whole number from 1"),
        ("default-num-partitions", "65", "whole number from 1 to 64"),
        ("worker.invoker.concurrent-invocations-limit", "0", "whole number from 1"),
        ("worker.invoker.concurrent-invocations-limit", "1.5", "whole number from 1"),
        ("worker.invoker.concurrent-invocations-limit", "٣", "whole number from 1"),
    ],
)
def test_a_value_that_is_not_understood_names_the_setting_and_what_to_write(key, text, instead):
    with pytest.raises(SettingsError) as refusal:
        read_environment({environment_name(key): text})
    for expected in (environment_name(key), repr(text), instead):
        assert expected in str(refusal.value)
    with pytest.raises(SettingsError) as refusal:
        parse_keys({key: text}, "settings")
    for expected in (key, repr(text), instead):
        assert expected in str(refusal.value)


def test_a_setting_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(SettingsError, match=r"'worker\.speed' is no setting.*base-dir"):
        parse_keys({"worker.speed": "fast"}, "settings")


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("default-retry-policy.max-attempts", "retry_max_attempts"),
        ("max-journal-retention", "journal_retention_max_ms"),
        ("max-idempotency-retention", "idempotency_retention_max_ms"),
        ("max-workflow-completion-retention", "workflow_retention_max_ms"),
        ("max-retry-policy-max-attempts", "retry_attempts_ceiling"),
    ],
)
def test_some_bounds_may_be_unlimited(key, field):
    assert read_environment({environment_name(key): "Unlimited"}) == {field: None}
    assert KEYS[key].show(None) == "unlimited"


def test_a_server_may_leave_at_once():
    assert parse_keys({"shutdown-timeout": "0"}, "settings") == {"shutdown_timeout_ms": 0}


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("33554432", 2**25), ("32 MiB", 2**25), ("1kB", 1_000), ("2 GB", 2 * 10**9)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("key", EVERY_KEY)
def test_every_value_is_written_as_it_is_read(key):
    setting, (_, text, _) = KEYS[key], EVERY_KEY[key]
    value = setting.parse(text)
    shown = setting.show(value)
    match shown:
        case bool():
            shown = str(shown).lower()
        case dict():
            shown = inline_table(shown)
    assert setting.parse(str(shown)) == value


HEADERS = "worker.invoker.additional-request-headers"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("secret", "write a table"),
        ("{x = secret}", "write a table"),
        ("{x-a = 7}", "write a table"),
        ('"secret"', "write a table"),
        ('{"x a" = "secret"}', "no header of HTTP"),
        ('{x-a = "secret\\n"}', "no header of HTTP"),
        ('{host = "secret"}', "is set by this server"),
        ('{authorization = "***"}', "write the value of authorization"),
    ],
)
def test_headers_that_are_not_understood_are_refused_without_telling_them(text, said):
    for read in (
        lambda: read_environment({environment_name(HEADERS): text}),
        lambda: parse_keys({HEADERS: text}, "settings"),
    ):
        with pytest.raises(SettingsError, match=said) as refusal:
            read()
        assert "secret" not in str(refusal.value)


def test_headers_go_with_every_request_beside_the_cluster_s_name():
    headers = Settings(cluster_name="c", additional_headers={"x-a": "b"}).services().headers
    assert headers == {"x-restate-cluster-name": "c", "x-a": "b"}
    assert Settings(additional_headers={"x-restate-cluster-name": "d"}).services().headers == {
        "x-restate-cluster-name": "d"
    }


def test_bounds_reach_what_keeps_to_them():
    settings = Settings(
        streams_limit=1,
        stream_window_bytes=2,
        connection_window_bytes=3,
        future_levels_max=4,
        eager_state_bytes_limit=5,
        timers_in_memory_limit=6,
        requests_limit=7,
        connection_requests_limit=8,
        queue_limit=9,
    )
    http2, engine = settings.network().http2, settings.engine()
    assert (http2.streams, http2.stream_window, http2.connection_window) == (1, 2, 3)
    assert http2.requests == 8
    assert Settings(query_memory_bytes=9).queries().memory_bytes == 9
    assert (engine.journals.future_levels, engine.journals.eager_state_bytes) == (4, 5)
    assert (engine.timers, engine.limits.waiters, engine.limits.queued_attempts) == (6, 7, 9)


def test_partitions_have_each_a_part_of_what_is_the_server_s():
    settings = Settings(
        invocations_limit=10,
        requests_limit=11,
        queue_limit=12,
        memory_bytes_limit=13,
        journal_entries_limit=14,
    )
    engine = settings.divided(3).engine()
    assert (engine.slots, engine.limits.waiters, engine.limits.queued_attempts) == (4, 4, 4)
    assert (engine.memory_bytes, engine.journals.entries) == (5, 14)
    assert settings.divided(1) == settings


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", Address("0.0.0.0", 8080)),  # noqa: S104 - nothing is bound
        ("localhost:0", Address("localhost", 0)),
        ("[::]:8080", Address("::", 8080)),
        ("::1:8080", Address("::1", 8080)),
        ("[fe80::1%eth0]:8080", Address("fe80::1%eth0", 8080)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


def test_settings_reach_the_handlers_and_the_engine():
    settings = Settings(
        journal_retention_ms=1,
        journal_retention_max_ms=12,
        idempotency_retention_max_ms=13,
        workflow_retention_max_ms=14,
        retry_attempts_ceiling=15,
        idempotency_retention_ms=10,
        workflow_retention_ms=11,
        disable_eager_state=True,
        inactivity_timeout_ms=2,
        abort_timeout_ms=3,
        retry_initial_interval_ms=4,
        retry_exponentiation_factor=5.0,
        retry_max_interval_ms=6,
        retry_max_attempts=7,
        retry_on_max_attempts=OnExhausted.KILL,
        invocations_limit=8,
        cleanup_interval_ms=9,
    )
    assert settings.defaults() == Defaults(
        journal_retention_ms=1,
        idempotency_retention_ms=10,
        workflow_retention_ms=11,
        lazy_state=True,
        inactivity_timeout_ms=2,
        abort_timeout_ms=3,
        retry_policy=RetryPolicy(4, 5.0, 6, 7, OnExhausted.KILL),
        ceilings=Ceilings(
            journal_retention_ms=12,
            idempotency_retention_ms=13,
            workflow_retention_ms=14,
            attempts=15,
        ),
    )
    assert settings.engine().slots == 8
    assert settings.engine().cleanup_interval_ms == 9


def test_the_defaults_are_those_of_the_model():
    assert Settings().defaults() == Defaults()


def test_variables_of_the_command_line_are_left_to_it():
    assert read_environment({"PERDURE_ADMIN_URL": "http://127.0.0.1:9070"}) == {}
