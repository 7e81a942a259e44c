"""Settings of a server: one table of keys, read from the environment and from options.

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

from perdure.core.model.deployments import DAY_MS, Defaults
from perdure.core.model.durations import parse_duration_ms
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.engine.engine import EngineOptions

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
    inactivity_timeout_ms: int = 60_000
    abort_timeout_ms: int = 600_000
    journal_retention_ms: int = DAY_MS
    retry_initial_interval_ms: int = 500
    retry_exponentiation_factor: float = 2.0
    retry_max_interval_ms: int = 60_000
    retry_max_attempts: int | None = 70
    retry_on_max_attempts: OnExhausted = OnExhausted.PAUSE

    def defaults(self) -> Defaults:
        """Give the options of handlers that say nothing themselves."""
        return Defaults(
            journal_retention_ms=self.journal_retention_ms,
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
            slots=self.invocations_limit, cleanup_interval_ms=self.cleanup_interval_ms
        )


def parse_address(text: str) -> Address:
    """Read ``host:port``; an IPv6 host stands in brackets."""
    host, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("write host:port, such as 127.0.0.1:8080")
    return Address(host.strip("[]") or "0.0.0.0", int(port))  # noqa: S104 - asked for by ":port"


def parse_folder(text: str) -> Path:
    """Read the path of a folder."""
    if not text:
        raise ValueError("write the path of a folder, such as ./perdure-data")
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


class Setting(NamedTuple):
    """One key: the field it sets, and how its text is read."""

    field: str
    parse: Callable[[str], Any]


KEYS: Final[Mapping[str, Setting]] = {
    "ingress.bind-address": Setting("ingress", parse_address),
    "admin.bind-address": Setting("admin", parse_address),
    "base-dir": Setting("data_dir", parse_folder),
    "shutdown-timeout": Setting("shutdown_timeout_ms", parse_duration_ms),
    "default-journal-retention": Setting("journal_retention_ms", parse_duration_ms),
    "default-retry-policy.initial-interval": Setting(
        "retry_initial_interval_ms", parse_duration_ms
    ),
    "default-retry-policy.exponentiation-factor": Setting(
        "retry_exponentiation_factor", parse_factor
    ),
    "default-retry-policy.max-interval": Setting("retry_max_interval_ms", parse_duration_ms),
    "default-retry-policy.max-attempts": Setting("retry_max_attempts", parse_attempts),
    "default-retry-policy.on-max-attempts": Setting("retry_on_max_attempts", parse_on_exhausted),
    "worker.cleanup-interval": Setting("cleanup_interval_ms", parse_duration_ms),
    "worker.invoker.concurrent-invocations-limit": Setting("invocations_limit", parse_count),
    "worker.invoker.inactivity-timeout": Setting("inactivity_timeout_ms", parse_duration_ms),
    "worker.invoker.abort-timeout": Setting("abort_timeout_ms", parse_duration_ms),
}


def environment_name(key: str) -> str:
    """Give the name of a key in the environment."""
    return ENVIRONMENT_PREFIX + key.replace(".", "__").replace("-", "_").upper()


def read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read every setting that the environment gives.

    Raises:
        SettingsError: a variable with our prefix is no setting, or its value is not understood.
    """
    by_name = {environment_name(key): setting for key, setting in KEYS.items()}
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX):
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
