"""Properties: ``key=value`` pairs on the line, in files, and in editors; or the same as TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from perdure.cli.editing import edit
from perdure.cli.errors import UsageError
from perdure.cli.surroundings import Surroundings

#: What an option takes that names a file of properties; ``-`` is standard input.
PROPERTIES_FILE: Final = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_STANDARD_INPUT: Final = Path("-")


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


def read_properties(
    surroundings: Surroundings, path: Path, table: str, beside: Iterable[str] = ()
) -> dict[str, str]:
    """Read a file of properties, or standard input.

    Args:
        surroundings: what standard input is read from.
        path: the file; TOML if its name ends so, and a pair a line otherwise.
        table: name of the table in which properties stand in TOML.
        beside: properties that stand before that table.

    Raises:
        UsageError: it cannot be read, or something in it is no property.
    """
    where = "standard input" if path == _STANDARD_INPUT else str(path)
    try:
        if path == _STANDARD_INPUT:
            text = surroundings.read_input()
        else:
            text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{where} cannot be read: {error}") from error
    if path.suffix.lower() == ".toml":
        return parse_toml(text, where, table, beside)
    return parse_properties(text, where)


def parse_toml(text: str, where: str, table: str, beside: Iterable[str] = ()) -> dict[str, str]:
    """Read the properties of a TOML document; ``a.b`` may stand there with or without quotes.

    Raises:
        UsageError: it is no TOML, or something in it is no property.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is no TOML: {error}") from error
    properties = document.pop(table, {})
    stray = sorted(document.keys() - set(beside))
    if stray or not isinstance(properties, dict):
        known = ", ".join([*beside, f"[{table}]"])
        raise UsageError(f"{where}: write {known} there, and nothing else")
    return dict(_flat(document | properties, where))


def _flat(values: Mapping[str, Any], where: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give the pairs of nested tables, with the names on the way to each joined by dots."""
    for key, value in values.items():
        name = prefix + key
        match value:
            case dict():
                yield from _flat(value, where, f"{name}.")
            case bool():
                yield name, str(value).lower()
            case str() | int() | float():
                yield name, str(value)
            case _:
                raise UsageError(f"{where}: {name} is no text, number, true or false")


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
