"""Settings of a server: one table of keys, read from a file, the environment and from options.

The key ``worker.cleanup-interval`` is ``PERDURE_WORKER__CLEANUP_INTERVAL`` in the environment. A
key or value that is not understood is an error: a setting that is silently
ignored is a setting that somebody relies on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import Struct

from perdure.core.attempt.attempt import JournalLimits
from perdure.core.model.deployments import DAY_MS, Ceilings, Defaults
from perdure.core.model.durations import format_duration, parse_duration_ms
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.engine.engine import EngineOptions
from perdure.engine.memory import MEMORY_BYTES
from perdure.engine.requests import Limits
from perdure.engine.timers import WINDOW as TIMERS_WINDOW
from perdure.ingress.bodies import BODY_BYTES_MAX
from perdure.protocol.framing import PAYLOAD_BYTES_LIMIT
from perdure.query.queries import QueryLimits
from perdure.server.http2_sender import STREAMS_MAX
from perdure.server.setting_values import (
    Address,
    parse_address,
    parse_attempts,
    parse_ceiling,
    parse_count,
    parse_factor,
    parse_headers,
    parse_levels,
    parse_memory_size,
    parse_message_size,
    parse_on_exhausted,
    parse_path,
    parse_request_size,
    parse_size,
    parse_streams,
    parse_switch,
    parse_window,
    parse_word,
    show_address,
    show_attempts,
    show_ceiling,
    show_headers,
)
from perdure.transport.aws import AwsOptions
from perdure.transport.http import HttpOptions
from perdure.transport.http2_limits import Http2Limits
from perdure.transport.identity_keys import KeyRing
from perdure.transport.lambda_client import LambdaOptions
from perdure.transport.network import NetworkOptions, trusting

ENVIRONMENT_PREFIX: Final = "PERDURE_"


class SettingsError(Exception):
    """A setting is unknown or has a value that is not understood; says which, and what to write."""


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of one server; durations in milliseconds."""

    ingress: Address = Address("127.0.0.1", 8080)
    admin: Address = Address("127.0.0.1", 9070)
    #: None keeps everything in memory.
    data_dir: Path | None = Path("perdure-data")
    shutdown_timeout_ms: int = 10_000
    cleanup_interval_ms: int = 1_000
    invocations_limit: int = 1_000
    journal_entries_limit: int = JournalLimits().entries
    journal_bytes_limit: int = JournalLimits().bytes
    future_levels_max: int = JournalLimits().future_levels
    eager_state_bytes_limit: int = JournalLimits().eager_state_bytes
    timers_in_memory_limit: int = TIMERS_WINDOW
    #: Requests that wait for a result at the same time.
    requests_limit: int = Limits().waiters
    #: Attempts that wait for a slot.
    queue_limit: int = Limits().queued_attempts
    #: What all open attempts may hold of messages on their way.
    memory_bytes_limit: int = MEMORY_BYTES
    inactivity_timeout_ms: int = 60_000
    abort_timeout_ms: int = 600_000
    journal_retention_ms: int = DAY_MS
    idempotency_retention_ms: int = DAY_MS
    workflow_retention_ms: int = DAY_MS
    #: Nothing is kept longer, and tried more often, whatever services say; None lets them decide.
    journal_retention_max_ms: int | None = None
    idempotency_retention_max_ms: int | None = None
    workflow_retention_max_ms: int | None = None
    retry_attempts_ceiling: int | None = None
    disable_eager_state: bool = False
    #: Told to services with every request.
    cluster_name: str = "localcluster"
    #: What this server is called among others; told to whoever reads its output.
    node_name: str = "localnode"
    request_bytes_limit: int = BODY_BYTES_MAX
    #: Requests under way on one connection of HTTP/2 to the ingress.
    ingress_streams_limit: int = STREAMS_MAX
    #: Where clients find the ingress, if not where it listens.
    advertised_ingress: str | None = None
    allow_link_local: bool = False
    #: Sent to services with every request; those of a deployment come before them.
    additional_headers: Mapping[str, str] = {}
    query_memory_bytes: int = QueryLimits().memory_bytes
    streams_limit: int = Http2Limits().streams
    connection_requests_limit: int = Http2Limits().requests
    stream_window_bytes: int = Http2Limits().stream_window
    connection_window_bytes: int = Http2Limits().connection_window
    ca_file: Path | None = None
    identity_key_file: Path | None = None
    identity_expiration_ms: int = 60_000
    aws_profile: str | None = None
    aws_external_id: str | None = None
    compression_threshold_bytes: int = 4 * 1024 * 1024
    message_bytes_limit: int = PAYLOAD_BYTES_LIMIT
    connect_timeout_ms: int = 10_000
    ping_interval_ms: int = 40_000
    ping_timeout_ms: int = 20_000
    idle_timeout_ms: int = 300_000
    retry_initial_interval_ms: int = 500
    retry_exponentiation_factor: float = 2.0
    retry_max_interval_ms: int = 60_000
    retry_max_attempts: int | None = 70
    retry_on_max_attempts: OnExhausted = OnExhausted.PAUSE

    def defaults(self) -> Defaults:
        """Give the options of handlers that say nothing themselves."""
        return Defaults(
            journal_retention_ms=self.journal_retention_ms,
            idempotency_retention_ms=self.idempotency_retention_ms,
            workflow_retention_ms=self.workflow_retention_ms,
            lazy_state=self.disable_eager_state,
            inactivity_timeout_ms=self.inactivity_timeout_ms,
            abort_timeout_ms=self.abort_timeout_ms,
            retry_policy=RetryPolicy(
                self.retry_initial_interval_ms,
                self.retry_exponentiation_factor,
                self.retry_max_interval_ms,
                self.retry_max_attempts,
                self.retry_on_max_attempts,
            ),
            ceilings=Ceilings(
                journal_retention_ms=self.journal_retention_max_ms,
                idempotency_retention_ms=self.idempotency_retention_max_ms,
                workflow_retention_ms=self.workflow_retention_max_ms,
                attempts=self.retry_attempts_ceiling,
            ),
        )

    def engine(self) -> EngineOptions:
        """Give the engine's options."""
        return EngineOptions(
            slots=self.invocations_limit,
            journals=JournalLimits(
                entries=self.journal_entries_limit,
                bytes=self.journal_bytes_limit,
                future_levels=self.future_levels_max,
                eager_state_bytes=self.eager_state_bytes_limit,
            ),
            cleanup_interval_ms=self.cleanup_interval_ms,
            memory_bytes=self.memory_bytes_limit,
            limits=Limits(waiters=self.requests_limit, queued_attempts=self.queue_limit),
            timers=self.timers_in_memory_limit,
        )

    def queries(self) -> QueryLimits:
        """Give what queries may take."""
        return QueryLimits(memory_bytes=self.query_memory_bytes)

    def network(self) -> NetworkOptions:
        """Give the options of connections to services.

        Raises:
            SettingsError: the file of certificates to trust is none.
        """
        if self.ca_file is not None:
            try:
                trusting(self.ca_file)
            except OSError as error:
                raise SettingsError(f"worker.invoker.ca-file: {self.ca_file}: {error}") from error
        return NetworkOptions(
            connect_timeout_s=self.connect_timeout_ms / 1000,
            ping_interval_s=self.ping_interval_ms / 1000,
            ping_timeout_s=self.ping_timeout_ms / 1000,
            idle_timeout_s=self.idle_timeout_ms / 1000,
            allow_link_local=self.allow_link_local,
            ca_file=self.ca_file,
            http2=Http2Limits(
                streams=self.streams_limit,
                requests=self.connection_requests_limit,
                stream_window=self.stream_window_bytes,
                connection_window=self.connection_window_bytes,
            ),
        )

    def services(self) -> HttpOptions:
        """Give how services are spoken to.

        Raises:
            SettingsError: the key that proves who asks cannot be read.
        """
        return HttpOptions(
            payload_bytes_limit=self.message_bytes_limit,
            headers={"x-restate-cluster-name": self.cluster_name, **self.additional_headers},
            keys=None if self.identity_key_file is None else self._keys(self.identity_key_file),
        )

    def functions(self) -> LambdaOptions:
        """Give how functions on AWS Lambda are invoked."""
        return LambdaOptions(
            aws=AwsOptions(profile=self.aws_profile, external_id=self.aws_external_id),
            compress_from=self.compression_threshold_bytes,
            connect_timeout_s=self.connect_timeout_ms / 1000,
        )

    def _keys(self, path: Path) -> KeyRing:
        try:
            return KeyRing(path, valid_s=max(1, self.identity_expiration_ms // 1000))
        except (OSError, ValueError, ImportError) as error:
            raise SettingsError(
                f"worker.invoker.request-identity-private-key-pem-file: {path}: {error}"
            ) from error


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


def _ceiling(field: str) -> Setting:
    return Setting(field, parse_ceiling, show_ceiling)


def _switch(field: str) -> Setting:
    return Setting(field, parse_switch, bool)


KEYS: Final[Mapping[str, Setting]] = {
    "ingress.bind-address": Setting("ingress", parse_address, show_address),
    "ingress.advertised-ingress-endpoint": Setting("advertised_ingress", parse_word),
    "ingress.request-size-limit": Setting("request_bytes_limit", parse_request_size, int),
    "ingress.concurrent-api-requests-limit": Setting("requests_limit", parse_count, int),
    "ingress.http2-max-concurrent-streams": Setting("ingress_streams_limit", parse_streams, int),
    "admin.bind-address": Setting("admin", parse_address, show_address),
    "admin.allow-link-local-deployments": _switch("allow_link_local"),
    "admin.query-engine.memory-size": Setting("query_memory_bytes", parse_memory_size, int),
    "base-dir": Setting("data_dir", parse_path),
    "cluster-name": Setting("cluster_name", parse_word),
    "node-name": Setting("node_name", parse_word),
    "shutdown-timeout": _duration("shutdown_timeout_ms"),
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
    "worker.invoker.connect-timeout": _duration("connect_timeout_ms"),
    "worker.invoker.http2-keep-alive-interval": _duration("ping_interval_ms"),
    "worker.invoker.http2-keep-alive-timeout": _duration("ping_timeout_ms"),
    "worker.invoker.http2-idle-connection-timeout": _duration("idle_timeout_ms"),
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
