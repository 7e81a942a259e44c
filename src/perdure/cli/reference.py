"""The reference of the command line, ``docs/cli.md``, written from the commands themselves.

``python -m perdure.cli.reference > docs/cli.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import click

from perdure.cli import errors
from perdure.cli.global_options import GLOBAL_OPTIONS
from perdure.cli.groups import CommandGroup
from perdure.cli.main import cli

_INTRODUCTION: Final = """\
# The command line

Written from the commands by `python -m perdure.cli.reference > docs/cli.md`.

Data goes to stdout, everything else to stderr, so that `perdure invocations list --json | jq` sees
nothing but data. Commands may be cut short while they are clear: `perdure inv ls`. Colours fall
away with `NO_COLOR` and where no terminal is. Before something that cannot be taken back a command
shows what it means and asks; `--yes` answers, and `--dry-run` only shows.

The admin API is looked for at `--admin-url`, else at `PERDURE_ADMIN_URL` (or `RESTATE_ADMIN_URL`),
else where the environment of the configuration file says, else at `http://localhost:9070`;
`unix:/path` names a socket. `PERDURE_AUTH_TOKEN` is sent as a bearer token. Such variables may also
stand in a file `.env` of the folder.

## At night

```shell
perdure services status                        # what piles up, and which keys are locked by whom
perdure invocations list --status backing-off  # what fails, why, and when it is tried again
perdure invocations journal inv_...            # how far one came, and where it stands
perdure invocations resume Payments/charge     # once the cause is mended: retry now
perdure invocations kill Payments --dry-run    # the last resort; this only shows what would end
```

## Exit codes
"""

_GLOBAL_NAMES: Final = frozenset(option.name for option in GLOBAL_OPTIONS)


def write_reference() -> str:
    """Write the whole page."""
    context = click.Context(cli, info_name="perdure")
    lines = [_INTRODUCTION, *_exit_codes(), "", "## Options of all commands", ""]
    lines += _options(context, GLOBAL_OPTIONS)
    lines += _commands(cli, context)
    return "\n".join(lines).rstrip() + "\n"


def _exit_codes() -> Iterator[str]:
    """Turn the table in the docstring of the module of errors into Markdown."""
    yield "| code | meaning |"
    yield "|---|---|"
    table = (errors.__doc__ or "").split("\n====")[-2]
    for line in table.splitlines()[1:]:
        code, _, meaning = line.partition(" ")
        yield f"| {code} | {meaning.strip()} |"


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # it is listed
        below = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from ["", f"## {below.command_path}", "", (command.help or "").strip()]
            yield from _commands(command, below)
        else:
            yield from _command(command, below, _aliases(group, name))


def _aliases(group: click.Group, name: str) -> list[str]:
    aliases = group.aliases if isinstance(group, CommandGroup) else {}
    return [alias for alias, full in aliases.items() if full == name]


def _command(
    command: click.Command, context: click.Context, aliases: Sequence[str]
) -> Iterator[str]:
    level = "##" if context.parent is not None and context.parent.parent is None else "###"
    yield from ["", f"{level} {context.command_path}", ""]
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"`{usage}`"
    if aliases:
        yield from ["", f"Also: {', '.join(f'`{alias}`' for alias in aliases)}."]
    for paragraph in (command.help or "").split("\n\n"):
        yield from ["", " ".join(paragraph.split())]
    own = [
        option
        for option in command.params
        if isinstance(option, click.Option) and option.name not in _GLOBAL_NAMES
    ]
    rows = list(_options(context, own))
    if len(rows) > 2:
        yield from ["", *rows]


def _options(context: click.Context, options: Sequence[click.Parameter]) -> Iterator[str]:
    yield "| option | meaning |"
    yield "|---|---|"
    for option in options:
        record = option.get_help_record(context)
        if record is not None:
            names, meaning = (text.replace("|", "\\|") for text in record)
            yield f"| `{names}` | {meaning} |"


if __name__ == "__main__":
    sys.stdout.write(write_reference())
