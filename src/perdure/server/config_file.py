"""The configuration file: settings in TOML, under the same keys as everywhere."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from perdure.server.setting_keys import KEYS, nearest_key, setting_of
from perdure.server.setting_values import inline_table
from perdure.server.settings import Settings, SettingsError


def read_config_file(path: Path) -> dict[str, Any]:
    """Read every setting that a file gives.

    Raises:
        SettingsError: the file cannot be read, a key is none, or its value is not understood.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors begin with a mark
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the configuration file {path} cannot be read: {error}") from error
    return parse_keys(_flat(document, str(path)), str(path))


def parse_keys(given: Mapping[str, str], source: str) -> dict[str, Any]:
    """Read settings by their keys.

    Raises:
        SettingsError: a key is none, or its value is not understood.
    """
    values: dict[str, Any] = {}
    for key, text in given.items():
        setting = setting_of(key)
        if setting is None:
            near = nearest_key(key)
            hint = f"; did you mean {near}?" if near else "; known are " + ", ".join(KEYS)
            raise SettingsError(f"{source}: {key!r} is no setting of Perdure{hint}")
        try:
            values[setting.field] = setting.parse(text)
        except ValueError as error:
            raise SettingsError(f"{source}: {key}: {setting.fault(text, error)}") from error
    return values


def dump_config(settings: Settings) -> str:
    """Write all settings as a file that gives them; what is not set is left out."""
    sections: dict[str, list[str]] = {"": []}
    for key, setting in KEYS.items():
        value = getattr(settings, setting.field)
        if value is None and setting.show in (str, int):
            continue
        section, _, name = key.rpartition(".")
        shown = setting.show(value)
        text = inline_table(shown) if isinstance(shown, dict) else json.dumps(shown)
        line = f"{name} = {text}"
        sections.setdefault(section, []).append(line)
    parts = ["\n".join(sections.pop(""))]
    parts.extend("\n".join([f"[{name}]", *lines]) for name, lines in sections.items())
    return "\n\n".join(parts) + "\n"


def _flat(document: Mapping[str, Any], source: str) -> dict[str, str]:
    """Give the text of every setting by its key.

    Raises:
        SettingsError: what is text is written as something else.
    """
    flat = {}
    for key, value in _leaves(document, ""):
        setting = setting_of(key)
        if setting is not None and setting.show is str and not isinstance(value, str):
            raise SettingsError(
                f'{source}: {key}: {value!r} is not text: put it in quotes, as in "{value}"'
            )
        if isinstance(value, dict):
            flat[key] = inline_table(value)
        else:
            flat[key] = json.dumps(value) if isinstance(value, bool) else str(value)
    return flat


def _leaves(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        setting, section = KEYS.get(f"{prefix}{name}"), f"{prefix}{name}."
        whole = setting is not None and setting.table
        # A section that is none is yielded as well, so that it is refused although it is empty.
        if isinstance(value, dict) and not whole and (value or _has_keys(section)):
            yield from _leaves(value, section)
        else:
            yield f"{prefix}{name}", value


def _has_keys(section: str) -> bool:
    return any(key.startswith(section) for key in KEYS)
