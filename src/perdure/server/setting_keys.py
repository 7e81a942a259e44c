"""The keys of settings: one table, for files, the environment and options.

The key ``worker.cleanup-interval`` is ``PERDURE_WORKER__CLEANUP_INTERVAL`` in the environment. A
key or value that is not understood is an error: a setting that is silently
ignored is a setting that somebody relies on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from perdure.core.model.durations import format_duration, parse_duration_ms
from perdure.server.setting_values import (
    parse_address,
    parse_attempts,
    parse_ceiling,
    parse_count,
    parse_factor,
    parse_grace_ms,
    parse_headers,
    parse_levels,
    parse_memory_size,
    parse_message_size,
    parse_on_exhausted,
    parse_partitions,
    parse_path,
    parse_patience_ms,
    parse_request_size,
    parse_size,
    parse_streams,
    parse_switch,
    parse_url,
    parse_window,
    parse_word,
    show_address,
    show_attempts,
    show_ceiling,
    show_headers,
)
from perdure.server.settings import SettingsError

ENVIRONMENT_PREFIX: Final = "PERDURE_"


class Setting(NamedTuple):
    """One key: the field it sets, how its text is read, and how it is written in a file."""

    field: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str | int | float | bool | dict[str, str]] = str
    #: Whether it is a table of names and texts; these may be secret, and are not told in errors.
    table: bool = False

    def fault(self, text: str, error: ValueError) -> str:
        """Say that a text is not understood."""
        told = "what is given" if self.table else repr(text)
        return f"{told} is not understood: {error}"


def _duration(field: str) -> Setting:
    return Setting(field, parse_duration_ms, format_duration)


def _patience(field: str) -> Setting:
    return Setting(field, parse_patience_ms, format_duration)


def _ceiling(field: str) -> Setting:
    return Setting(field, parse_ceiling, show_ceiling)


def _switch(field: str) -> Setting:
    return Setting(field, parse_switch, bool)


KEYS: Final[Mapping[str, Setting]] = {
    "ingress.bind-address": Setting("ingress", parse_address, show_address),
    "ingress.advertised-ingress-endpoint": Setting("advertised_ingress", parse_url),
    "ingress.request-size-limit": Setting("request_bytes_limit", parse_request_size, int),
    "ingress.concurrent-api-requests-limit": Setting("requests_limit", parse_count, int),
    "ingress.http2-max-concurrent-streams": Setting("ingress_streams_limit", parse_streams, int),
    "admin.bind-address": Setting("admin", parse_address, show_address),
    "admin.allow-link-local-deployments": _switch("allow_link_local"),
    "admin.query-engine.memory-size": Setting("query_memory_bytes", parse_memory_size, int),
    "base-dir": Setting("data_dir", parse_path),
    "default-num-partitions": Setting("partitions", parse_partitions, int),
    "cluster-name": Setting("cluster_name", parse_word),
    "node-name": Setting("node_name", parse_word),
    "shutdown-timeout": Setting("shutdown_timeout_ms", parse_grace_ms, format_duration),
    "default-journal-retention": _duration("journal_retention_ms"),
    "max-journal-retention": _ceiling("journal_retention_max_ms"),
    "default-idempotency-retention": _duration("idempotency_retention_ms"),
    "max-idempotency-retention": _ceiling("idempotency_retention_max_ms"),
    "default-workflow-completion-retention": _duration("workflow_retention_ms"),
    "max-workflow-completion-retention": _ceiling("workflow_retention_max_ms"),
    "default-retry-policy.initial-interval": _duration("retry_initial_interval_ms"),
    "default-retry-policy.exponentiation-factor": Setting(
        "retry_exponentiation_factor", parse_factor, float
    ),
    "default-retry-policy.max-interval": _duration("retry_max_interval_ms"),
    "default-retry-policy.max-attempts": Setting(
        "retry_max_attempts", parse_attempts, show_attempts
    ),
    "default-retry-policy.on-max-attempts": Setting(
        "retry_on_max_attempts", parse_on_exhausted, lambda value: value.name.lower()
    ),
    "max-retry-policy-max-attempts": Setting(
        "retry_attempts_ceiling", parse_attempts, show_attempts
    ),
    "worker.cleanup-interval": _duration("cleanup_interval_ms"),
    "worker.num-timers-in-memory-limit": Setting("timers_in_memory_limit", parse_count, int),
    "worker.invoker.concurrent-invocations-limit": Setting("invocations_limit", parse_count, int),
    "worker.invoker.in-memory-queue-length-limit": Setting("queue_limit", parse_count, int),
    "worker.invoker.memory-limit": Setting("memory_bytes_limit", parse_memory_size, int),
    "worker.invoker.journal-entries-limit": Setting("journal_entries_limit", parse_count, int),
    "worker.invoker.journal-size-limit": Setting("journal_bytes_limit", parse_size, int),
    "worker.invoker.inactivity-timeout": _duration("inactivity_timeout_ms"),
    "worker.invoker.abort-timeout": _duration("abort_timeout_ms"),
    "worker.invoker.max-awaited-future-depth": Setting("future_levels_max", parse_levels, int),
    "worker.invoker.disable-eager-state": _switch("disable_eager_state"),
    "worker.invoker.eager-state-size-limit": Setting("eager_state_bytes_limit", parse_size, int),
    "worker.invoker.message-size-limit": Setting("message_bytes_limit", parse_message_size, int),
    "worker.invoker.connect-timeout": _patience("connect_timeout_ms"),
    "worker.invoker.http2-keep-alive-interval": _patience("ping_interval_ms"),
    "worker.invoker.http2-keep-alive-timeout": _patience("ping_timeout_ms"),
    "worker.invoker.http2-idle-connection-timeout": _patience("idle_timeout_ms"),
    "worker.invoker.http2-streams-per-connection-limit": Setting("streams_limit", parse_count, int),
    "worker.invoker.http2-requests-per-connection-limit": Setting(
        "connection_requests_limit", parse_count, int
    ),
    "worker.invoker.http2-initial-stream-window-size": Setting(
        "stream_window_bytes", parse_window, int
    ),
    "worker.invoker.http2-initial-connection-window-size": Setting(
        "connection_window_bytes", parse_window, int
    ),
    "worker.invoker.additional-request-headers": Setting(
        "additional_headers", parse_headers, show_headers, table=True
    ),
    "worker.invoker.ca-file": Setting("ca_file", parse_path),
    "worker.invoker.request-identity-private-key-pem-file": Setting(
        "identity_key_file", parse_path
    ),
    "worker.invoker.request-identity-expiration": _duration("identity_expiration_ms"),
    "worker.invoker.request-compression-threshold": Setting(
        "compression_threshold_bytes", parse_size, int
    ),
    "worker.invoker.aws-profile": Setting("aws_profile", parse_word),
    "worker.invoker.aws-assume-role-external-id": Setting("aws_external_id", parse_word),
}


#: Names that keys had before they stood in a section, and have in Restate's documentation.
_OLDER_NAMES: Final = {
    "request-identity-private-key-pem-file": "worker.invoker.request-identity-private-key-pem-file",
}


def setting_of(key: str) -> Setting | None:
    """Give the setting of a key, or of an older name of it; None if there is no such key."""
    return KEYS.get(_OLDER_NAMES.get(key, key))


def nearest_key(key: str) -> str | None:
    """Give the key that was meant, perhaps: of this name in another section, or else alike."""
    namesakes = [each for each in KEYS if each.rpartition(".")[2] == key.rpartition(".")[2]]
    near = get_close_matches(key, namesakes, n=1, cutoff=0) or get_close_matches(key, KEYS, n=1)
    return near[0] if near else None


def environment_name(key: str) -> str:
    """Give the name of a key in the environment."""
    return ENVIRONMENT_PREFIX + key.replace(".", "__").replace("-", "_").upper()


def _key_of(variable: str) -> str:
    words = variable.removeprefix(ENVIRONMENT_PREFIX).replace("__", ".").replace("_", "-")
    return words.lower()


#: Variables with our prefix that name what commands read, and whom they ask.
COMMAND_VARIABLES: Final = frozenset(
    ENVIRONMENT_PREFIX + name
    for name in (
        "CONFIG",
        "ADMIN_URL",
        "INGRESS_URL",
        "AUTH_TOKEN",
        "ENVIRONMENT",
        "CLI_CONFIG_HOME",
        "EDITOR",
    )
)


#: What Kubernetes tells each container of a service whose name begins with ours: where it is.
_SERVICE_VARIABLE: Final = re.compile(
    ENVIRONMENT_PREFIX + r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_\w+)"
)


def _tells_of_a_service(name: str, text: str) -> bool:
    return _SERVICE_VARIABLE.fullmatch(name) is not None or (
        name.endswith("_PORT") and "://" in text
    )


def read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read every setting that the environment gives.

    Raises:
        SettingsError: a variable with our prefix is no setting, or its value is not understood.
    """
    by_name = {environment_name(key): setting_of(key) for key in (*KEYS, *_OLDER_NAMES)}
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in COMMAND_VARIABLES:
            continue
        setting = by_name.get(name)
        if setting is None:
            if _tells_of_a_service(name, text):
                continue
            near = nearest_key(_key_of(name))
            hint = "" if near is None else f"; did you mean {environment_name(near)}?"
            raise SettingsError(f"environment variable {name} is no setting of Perdure{hint}")
        try:
            values[setting.field] = setting.parse(text)
        except ValueError as error:
            raise SettingsError(
                f"environment variable {name}: {setting.fault(text, error)}"
            ) from error
    return values
