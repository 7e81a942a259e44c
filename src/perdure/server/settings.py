"""Settings of a server: one table of keys, read from a file, the environment and from options.

The key ``worker.cleanup-interval`` is ``PERDURE_WORKER__CLEANUP_INTERVAL`` in the environment. A
key or value that is not understood is an error: a setting that is silently
ignored is a setting that somebody relies on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import Struct

from perdure.core.attempt.attempt import JournalLimits
from perdure.core.model.deployments import DAY_MS, Defaults
from perdure.core.model.durations import format_duration, parse_duration_ms
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.engine.engine import EngineOptions
from perdure.ingress.bodies import BODY_BYTES_MAX
from perdure.protocol.framing import PAYLOAD_BYTES_LIMIT
from perdure.transport.aws import AwsOptions
from perdure.transport.http import HttpOptions
from perdure.transport.identity_keys import KeyRing
from perdure.transport.lambda_client import LambdaOptions
from perdure.transport.network import NetworkOptions, trusting

ENVIRONMENT_PREFIX: Final = "PERDURE_"


class SettingsError(Exception):
    """A setting is unknown or has a value that is not understood; says which, and what to write."""


class Address(NamedTuple):
    """Where a door listens."""

    host: str
    port: int


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
    inactivity_timeout_ms: int = 60_000
    abort_timeout_ms: int = 600_000
    journal_retention_ms: int = DAY_MS
    #: No journal is kept longer; None lets services decide.
    journal_retention_max_ms: int | None = None
    idempotency_retention_ms: int = DAY_MS
    workflow_retention_ms: int = DAY_MS
    disable_eager_state: bool = False
    #: Told to services with every request.
    cluster_name: str = "localcluster"
    #: What this server is called among others; told to whoever reads its output.
    node_name: str = "localnode"
    request_bytes_limit: int = BODY_BYTES_MAX
    #: Where clients find the ingress, if not where it listens.
    advertised_ingress: str | None = None
    allow_link_local: bool = False
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
            journal_retention_max_ms=self.journal_retention_max_ms,
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
        )

    def engine(self) -> EngineOptions:
        """Give the engine's options."""
        return EngineOptions(
            slots=self.invocations_limit,
            journals=JournalLimits(
                entries=self.journal_entries_limit, bytes=self.journal_bytes_limit
            ),
            cleanup_interval_ms=self.cleanup_interval_ms,
        )

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
        )

    def services(self) -> HttpOptions:
        """Give how services are spoken to.

        Raises:
            SettingsError: the key that proves who asks cannot be read.
        """
        return HttpOptions(
            payload_bytes_limit=self.message_bytes_limit,
            headers={"x-restate-cluster-name": self.cluster_name},
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


def parse_address(text: str) -> Address:
    """Read ``host:port``; an IPv6 host stands in brackets."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("write host:port, such as 127.0.0.1:8080")
    return Address(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104 - asked for by ":port"


def parse_path(text: str) -> Path:
    """Read the path of a file or folder."""
    if not text:
        raise ValueError("write a path, such as ./perdure-data")
    return Path(text)


def parse_count(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("write a whole number from 1")
    return int(text)


def parse_attempts(text: str) -> int | None:
    """Read a number of attempts, or ``unlimited``."""
    if text.strip().lower() == "unlimited":
        return None
    try:
        return parse_count(text)
    except ValueError as error:
        raise ValueError(f"{error}, or unlimited") from None


def parse_ceiling(text: str) -> int | None:
    """Read the longest duration that services may ask for, or ``unlimited``."""
    return None if text.strip().lower() == "unlimited" else parse_duration_ms(text)


def parse_factor(text: str) -> float:
    """Read the factor by which retry intervals grow."""
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1.0 <= factor <= 1000.0:
        raise ValueError("write a number from 1 to 1000")
    return factor


def parse_on_exhausted(text: str) -> OnExhausted:
    """Read what happens after the last attempt."""
    try:
        return OnExhausted[text.strip().upper()]
    except KeyError:
        raise ValueError("write pause or kill") from None


def parse_switch(text: str) -> bool:
    """Read ``true`` or ``false``."""
    if text not in ("true", "false"):
        raise ValueError("write true or false")
    return text == "true"


def parse_size(text: str) -> int:
    """Read a number of bytes, such as ``32 MiB``."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("write a number of bytes, such as 32 MiB or 33554432")
    number, unit = match.groups()
    return round(float(number) * _UNITS[(unit or "b").lower()])


def parse_message_size(text: str) -> int:
    """Read how long a message may be."""
    size = parse_size(text)
    if not 1 <= size <= PAYLOAD_BYTES_LIMIT:
        raise ValueError("write at most 32 MiB, which the protocol's other half takes, too")
    return size


def parse_word(text: str) -> str:
    """Read printable text without spaces."""
    if not text or not text.isascii() or any(not "!" <= each <= "~" for each in text):
        raise ValueError("write letters, digits and signs, without spaces")
    return text


_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([kKMG]i?B|B)?")
_UNITS: Final = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}


def show_address(address: Address) -> str:
    """Write an address as it is read."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def show_attempts(attempts: int | None) -> str | int:
    """Write a number of attempts as it is read."""
    return "unlimited" if attempts is None else attempts


def show_ceiling(duration_ms: int | None) -> str:
    """Write the longest duration that services may ask for as it is read."""
    return "unlimited" if duration_ms is None else format_duration(duration_ms)


class Setting(NamedTuple):
    """One key: the field it sets, how its text is read, and how it is written in a file."""

    field: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str | int | float | bool] = str


def _duration(field: str) -> Setting:
    return Setting(field, parse_duration_ms, format_duration)


def _switch(field: str) -> Setting:
    return Setting(field, parse_switch, bool)


KEYS: Final[Mapping[str, Setting]] = {
    "ingress.bind-address": Setting("ingress", parse_address, show_address),
    "ingress.advertised-ingress-endpoint": Setting("advertised_ingress", parse_word),
    "ingress.request-size-limit": Setting("request_bytes_limit", parse_size, int),
    "admin.bind-address": Setting("admin", parse_address, show_address),
    "admin.allow-link-local-deployments": _switch("allow_link_local"),
    "base-dir": Setting("data_dir", parse_path),
    "cluster-name": Setting("cluster_name", parse_word),
    "node-name": Setting("node_name", parse_word),
    "shutdown-timeout": _duration("shutdown_timeout_ms"),
    "default-journal-retention": _duration("journal_retention_ms"),
    "max-journal-retention": Setting("journal_retention_max_ms", parse_ceiling, show_ceiling),
    "default-idempotency-retention": _duration("idempotency_retention_ms"),
    "default-workflow-completion-retention": _duration("workflow_retention_ms"),
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
    "worker.cleanup-interval": _duration("cleanup_interval_ms"),
    "worker.invoker.concurrent-invocations-limit": Setting("invocations_limit", parse_count, int),
    "worker.invoker.journal-entries-limit": Setting("journal_entries_limit", parse_count, int),
    "worker.invoker.journal-size-limit": Setting("journal_bytes_limit", parse_size, int),
    "worker.invoker.inactivity-timeout": _duration("inactivity_timeout_ms"),
    "worker.invoker.abort-timeout": _duration("abort_timeout_ms"),
    "worker.invoker.disable-eager-state": _switch("disable_eager_state"),
    "worker.invoker.message-size-limit": Setting("message_bytes_limit", parse_message_size, int),
    "worker.invoker.connect-timeout": _duration("connect_timeout_ms"),
    "worker.invoker.http2-keep-alive-interval": _duration("ping_interval_ms"),
    "worker.invoker.http2-keep-alive-timeout": _duration("ping_timeout_ms"),
    "worker.invoker.http2-idle-connection-timeout": _duration("idle_timeout_ms"),
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


def environment_name(key: str) -> str:
    """Give the name of a key in the environment."""
    return ENVIRONMENT_PREFIX + key.replace(".", "__").replace("-", "_").upper()


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
    by_name = {environment_name(key): setting for key, setting in KEYS.items()}
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in COMMAND_VARIABLES:
            continue
        setting = by_name.get(name)
        if setting is None:
            near = get_close_matches(name, by_name, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"environment variable {name} is no setting of Perdure{hint}")
        try:
            values[setting.field] = setting.parse(text)
        except ValueError as error:
            raise SettingsError(
                f"environment variable {name}: {text!r} is not understood: {error}"
            ) from error
    return values
