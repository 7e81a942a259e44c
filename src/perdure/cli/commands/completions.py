"""``perdure completions``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from perdure.cli.errors import RefusedError, UsageError
from perdure.cli.groups import CommandGroup
from perdure.cli.session import Session, with_session
from perdure.cli.views import output_option

SHELLS: Final = ("bash", "zsh", "fish")
#: Where shells look for completions, below the user's home.
_PLACES: Final = {
    "bash": ".local/share/bash-completion/completions/perdure",
    "zsh": ".zfunc/_perdure",
    "fish": ".config/fish/completions/perdure.fish",
}

completions = CommandGroup("completions", help="Complete commands in the shell with the tab key.")


@completions.command("generate")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@output_option
@with_session
def generate(session: Session, shell: str | None, *, as_json: bool) -> None:
    """Print what makes a shell complete commands, names and ids; without SHELL, for the one in use.

    Names and ids are asked of the server; one that does not answer within a second completes none.
    """
    shell = _shell(session, shell)
    if as_json:
        session.output.json({"shell": shell, "source": _source(shell)})
    else:
        session.output.text(_source(shell))


@completions.command("install")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@output_option
@with_session
def install(session: Session, shell: str | None, *, as_json: bool) -> None:
    """Put it where the shell finds it; without SHELL, for the one in use."""
    shell = _shell(session, shell)
    path = session.surroundings.home / _PLACES[shell]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_source(shell), encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error}") from error
    if as_json:
        session.output.json({"shell": shell, "file": str(path)})
    session.output.done(f"wrote {path}; open a new shell")
    if shell == "zsh":
        session.output.note("~/.zshrc must say: fpath+=~/.zfunc; autoload -Uz compinit; compinit")


def _shell(session: Session, named: str | None) -> str:
    if named is not None:
        return named
    in_use = Path(session.surroundings.environment.get("SHELL", "")).name
    if in_use not in SHELLS:
        raise UsageError(f"which shell? Name one of {', '.join(SHELLS)}")
    return in_use


def _source(shell: str) -> str:
    found = get_completion_class(shell)
    assert found is not None  # click knows all of SHELLS
    command = click.get_current_context().find_root().command
    # What click writes asks the program, by this variable, for the words that fit.
    complete = found(command, {}, "perdure", "_PERDURE_COMPLETE")
    return complete.source_template % complete.source_vars()
