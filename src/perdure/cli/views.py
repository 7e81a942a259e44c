"""How a command shows what it found: a table, a wide one, or JSON; once, or again and again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import click

Command = Callable[..., None]

WATCH_INTERVAL_S = 1.0


class View(NamedTuple):
    """What was asked for."""

    json: bool = False
    wide: bool = False
    watch: bool = False
    interval_s: float = WATCH_INTERVAL_S


def output_option(command: Command) -> Command:
    """Let a command that changes something tell the outcome in JSON; it takes ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Tell the outcome in JSON.")(
        command
    )


def viewed(command: Command) -> Command:
    """Give a command that shows something its options; it takes one ``view``."""

    @click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
    @click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "wide", "json"]),
        default="table",
        help="Form of the data; wide shows more.",
    )
    @click.option("--extra", "-x", is_flag=True, help="Like -o wide.")
    @click.option("-w", "--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
    @click.option(
        "-n",
        "--interval",
        type=click.FloatRange(0.1),
        default=WATCH_INTERVAL_S,
        show_default=True,
        metavar="SECONDS",
        help="Between two times with --watch.",
    )
    @functools.wraps(command)
    def with_view(
        *arguments: Any,
        as_json: bool,
        output: str,
        extra: bool,
        watch: bool,
        interval: float,
        **options: Any,
    ) -> None:
        wide = extra or output == "wide"
        view = View(as_json or output == "json", wide, watch, interval)
        command(*arguments, view=view, **options)

    return with_view
