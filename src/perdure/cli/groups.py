"""Groups of commands: loaded when they are called, found by alias and by the start of their name.

Listing the commands of a group loads none of them; that is what keeps ``--help`` quick.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click
from typing_extensions import override

from perdure.cli.extras import needed_by
from perdure.cli.global_options import GLOBAL_OPTIONS

_GLOBAL_NAMES = frozenset(option.name for option in GLOBAL_OPTIONS)


class Entry(NamedTuple):
    """A command of a group, as its list shows it."""

    #: ``module:attribute`` of the command.
    place: str
    #: First line of the command's help.
    summary: str
    aliases: tuple[str, ...] = ()
    #: Understood, but neither listed nor found by the start of its name.
    hidden: bool = False


class AdminCommand(click.Command):
    """A command that takes the global options too."""

    @override
    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *GLOBAL_OPTIONS]

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_options(self, ctx, formatter)


class CommandGroup(click.Group):
    """Commands by name, alias or the start of either."""

    command_class = AdminCommand

    def __init__(
        self,
        name: str | None = None,
        entries: Mapping[str, Entry] | None = None,
        aliases: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(name, **attributes)
        self.entries = dict(entries or {})
        #: Names by alias.
        self.aliases = dict(aliases or {})
        for command_name, entry in self.entries.items():
            self.aliases |= dict.fromkeys(entry.aliases, command_name)

    @override
    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *GLOBAL_OPTIONS]

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return self._names()

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = self._full_name(cmd_name)
        entry = self.entries.get(name)
        if entry is None:
            return super().get_command(ctx, name)
        return _load(name, entry)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            ctx.fail(self._unknown(name))
        return (None if command is None else command.name), command, args[1:]

    @override
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(self._label(name), self._summary(name)) for name in self._names()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _names(self) -> list[str]:
        listed = (name for name, entry in self.entries.items() if not entry.hidden)
        return [*listed, *self.commands]

    def _label(self, name: str) -> str:
        return ", ".join([name, *(alias for alias, full in self.aliases.items() if full == name)])

    def _summary(self, name: str) -> str:
        entry = self.entries.get(name)
        return self.commands[name].get_short_help_str(80) if entry is None else entry.summary

    def _full_name(self, name: str) -> str:
        """Complete an alias, or the start of one command's name."""
        if name in self.aliases:
            return self.aliases[name]
        if name in self.entries or name in self.commands:
            return name
        meant = self._meant(name)
        return meant[0] if len(meant) == 1 else name

    def _meant(self, start: str) -> Sequence[str]:
        names = {name for name in self._names() if name.startswith(start)}
        aliased = {full for alias, full in self.aliases.items() if alias.startswith(start)}
        return sorted(names | (aliased & {*self._names()}))

    def _unknown(self, name: str) -> str:
        meant = self._meant(name)
        if meant:
            return f"{name!r} is short for several commands: {', '.join(meant)}"
        near = difflib.get_close_matches(name, [*self._names(), *self.aliases], n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self._names())}"
        return f"there is no command {name!r}; {hint}"


def _load(name: str, entry: Entry) -> click.Command:
    module, _, attribute = entry.place.partition(":")
    with needed_by(repr(name)):
        command: click.Command = getattr(importlib.import_module(module), attribute)
    return command


def _write_options(
    command: click.Command, context: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write the command's own options before those that all commands take."""
    own: list[tuple[str, str]] = []
    everywhere: list[tuple[str, str]] = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        # Arguments stand in the line of usage, and are told of in the text below it.
        if record is not None and isinstance(parameter, click.Option):
            (everywhere if parameter.name in _GLOBAL_NAMES else own).append(record)
    with formatter.section("Options"):
        formatter.write_dl(own)
    with formatter.section("Options of all commands"):
        formatter.write_dl(everywhere)
