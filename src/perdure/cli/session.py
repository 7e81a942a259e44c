"""What a command works with: one server, one output, and somebody to ask."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import cached_property
from typing import Any

import click
from rich.console import RenderableType

from perdure.cli.admin_api import AdminApi
from perdure.cli.environments import Target, find_target
from perdure.cli.errors import RefusedError, UsageError
from perdure.cli.global_options import GlobalOptions, read_global_options
from perdure.cli.output import Output
from perdure.cli.surroundings import Surroundings
from perdure.cli.times import Times
from perdure.cli.views import Command, View


class Session:
    """One run of one command."""

    def __init__(self, surroundings: Surroundings, options: GlobalOptions) -> None:
        self.surroundings = surroundings
        self.options = options
        self._connections = ExitStack()
        self.output = Output(quiet=options.quiet, borders=options.table_style == "borders")

    @cached_property
    def target(self) -> Target:
        """The server that is meant."""
        return find_target(self.surroundings, self.options)

    @cached_property
    def admin(self) -> AdminApi:
        """The admin API of that server."""
        admin = AdminApi(
            self.target,
            self.options,
            transport=self.surroundings.transport,
            tell=self.output.warn,
        )
        self._connections.callback(admin.close)
        return admin

    def close(self) -> None:
        """Close what was opened."""
        self._connections.close()

    @property
    def times(self) -> Times:
        """Writes moments as asked for, seen from now."""
        return Times(self.options.time_format, self.surroundings.now())

    def show(
        self, view: View, load: Callable[[], Any], render: Callable[[Any], RenderableType]
    ) -> None:
        """Show a document once, or again and again; JSON then takes one line each time."""
        while True:
            document = load()
            if view.json:
                self.output.json(document, compact=view.watch)
            else:
                if view.watch:
                    self.output.out.clear()
                self.output.data(render(document))
            if not view.watch:
                return
            self.surroundings.sleep(view.interval_s)

    def confirm(self, question: str) -> None:
        """Ask before something that cannot be taken back.

        Raises:
            RefusedError: the answer is no.
            UsageError: nobody is there to be asked.
        """
        if self.options.yes or self.surroundings.environment.get("CI"):
            self.output.note(f"{question} Yes, as given.")
            return
        if not self.surroundings.has_terminal():
            raise UsageError(f"{question} Nobody can be asked here; say --yes")
        if not self.surroundings.ask(question):
            raise RefusedError("nothing was done")


def with_session(command: Command) -> Command:
    """Give a command its session, as first argument."""

    @functools.wraps(command)
    @click.pass_context
    def with_context(context: click.Context, *arguments: Any, **options: Any) -> None:
        surroundings = context.find_object(Surroundings) or Surroundings()
        with closing(Session(surroundings, read_global_options(context))) as session:
            command(session, *arguments, **options)

    return with_context
