"""Properties: ``key=value`` pairs on the line, in files, and in editors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import click

from perdure.cli.editing import edit
from perdure.cli.errors import UsageError
from perdure.cli.surroundings import Surroundings

#: What an option takes that names a file of properties.
PROPERTIES_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


def pairs(texts: Iterable[str], where: str) -> dict[str, str]:
    """Read ``key=value`` texts.

    Raises:
        UsageError: one is no such pair.
    """
    found = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            # What stands there may be a secret: it is not repeated.
            raise UsageError(f"{where}: write KEY=VALUE, each by itself")
        found[key.strip()] = value.strip()
    return found


def parse_properties(text: str, where: str) -> dict[str, str]:
    """Read a pair a line; empty lines and those that begin with ``#`` say nothing.

    Raises:
        UsageError: a line is no such pair.
    """
    lines = (line.strip() for line in text.splitlines())
    return pairs((line for line in lines if line and not line.startswith("#")), where)


def read_properties(path: Path) -> dict[str, str]:
    """Read a file of properties.

    Raises:
        UsageError: the file cannot be read, or a line is no pair.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return parse_properties(text, str(path))


def write_properties(properties: Mapping[str, str]) -> str:
    """Write a pair a line."""
    return "".join(f"{key}={value}\n" for key, value in sorted(properties.items()))


def edit_properties(
    surroundings: Surroundings, properties: Mapping[str, str], template: str = ""
) -> dict[str, str]:
    """Show properties in an editor, or a template if there are none; read what became of them.

    Raises:
        RefusedError: the editor cannot be started, or said that it failed.
        UsageError: a line is no pair.
    """
    text = edit(surroundings, write_properties(properties) or template, ".properties")
    return parse_properties(text, "what was written")
