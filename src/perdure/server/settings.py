"""The settings of one server, and the options of its parts that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from perdure.core.attempt.attempt import JournalLimits
from perdure.core.model.deployments import DAY_MS, Ceilings, Defaults
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.engine.engine import EngineOptions
from perdure.engine.gate import Limits
from perdure.engine.memory import MEMORY_BYTES
from perdure.engine.timers import WINDOW as TIMERS_WINDOW
from perdure.ingress.bodies import BODY_BYTES_MAX
from perdure.protocol.framing import PAYLOAD_BYTES_LIMIT
from perdure.query.queries import QueryLimits
from perdure.server.http2_sender import STREAMS_MAX
from perdure.server.setting_values import Address
from perdure.transport.aws import AwsOptions
from perdure.transport.http import HttpOptions
from perdure.transport.http2_limits import Http2Limits
from perdure.transport.identity_keys import KeyRing
from perdure.transport.lambda_client import LambdaOptions
from perdure.transport.network import NetworkOptions, trusting


class SettingsError(Exception):
    """A setting is unknown or has a value that is not understood; says which, and what to write."""


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of one server; durations in milliseconds."""

    ingress: Address = Address("127.0.0.1", 8080)
    admin: Address = Address("127.0.0.1", 9070)
    #: None keeps everything in memory.
    data_dir: Path | None = Path("perdure-data")
    #: How many processes serve, each its partition; None as the data directory has it, or one.
    partitions: int | None = None
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

    def divided(self, partitions: int) -> Settings:
        """Give those of one of so many partitions: a part of the limits that are the server's."""
        return replace(
            self,
            invocations_limit=-(-self.invocations_limit // partitions),
            requests_limit=-(-self.requests_limit // partitions),
            queue_limit=-(-self.queue_limit // partitions),
            memory_bytes_limit=-(-self.memory_bytes_limit // partitions),
        )

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
