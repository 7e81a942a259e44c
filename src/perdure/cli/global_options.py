"""Options that every command takes, wherever on the line they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import click

#: Milliseconds until a connection stands, and until an answer is there.
CONNECT_TIMEOUT_MS: Final = 3_000
REQUEST_TIMEOUT_MS: Final = 13_000

_META: Final = "perdure.cli.global_options"


class GlobalOptions(NamedTuple):
    """What was said for all commands; None where nothing was said."""

    admin_url: str | None = None
    environment: str | None = None
    verbose: int = 0
    quiet: bool = False
    table_style: str = "compact"
    time_format: str = "human"
    yes: bool = False
    connect_timeout: int = CONNECT_TIMEOUT_MS
    request_timeout: int = REQUEST_TIMEOUT_MS
    insecure_skip_tls_verify: bool = False


def read_global_options(context: click.Context) -> GlobalOptions:
    """Gather what was said anywhere on the line; the last word counts."""
    said: Mapping[str, Any] = context.meta.get(_META, {})
    return GlobalOptions(**said)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value and parameter.name is not None:
        context.meta.setdefault(_META, {})[parameter.name] = value


def _option(*names: str, **attributes: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_keep, **attributes)


#: Shared by all commands: an option holds nothing of a run.
GLOBAL_OPTIONS: Final = (
    _option(
        "--admin-url", metavar="URL", help="Where the admin API is [$PERDURE_ADMIN_URL, or :9070]."
    ),
    _option("-e", "--environment", metavar="NAME", help="Environment of the configuration file."),
    _option("-y", "--yes", is_flag=True, help="Answer yes; so does a variable CI."),
    _option("-v", "--verbose", count=True, help="Tell each request to the server."),
    _option("-q", "--quiet", is_flag=True, help="Only data and errors."),
    _option("--table-style", type=click.Choice(["compact", "borders"]), help="Look of tables."),
    _option(
        "--time-format",
        type=click.Choice(["human", "iso8601", "rfc2822"]),
        help="Look of times; human shows ages.",
    ),
    _option(
        "--connect-timeout",
        type=click.IntRange(1),
        metavar="MS",
        help=f"For a connection to stand [{CONNECT_TIMEOUT_MS}].",
    ),
    _option(
        "--request-timeout",
        type=click.IntRange(1),
        metavar="MS",
        help=f"For an answer to be there [{REQUEST_TIMEOUT_MS}].",
    ),
    _option(
        "--insecure-skip-tls-verify", is_flag=True, help="Do not ask who the server says it is."
    ),
)
