"""The file ``.env`` of the folder that a command runs in: variables below the environment's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ENV_FILE: Final = ".env"

_LINE: Final = re.compile(r"\s*(?:export\s+)?((?:PERDURE|RESTATE)_\w+)\s*=(.*)")
_QUOTED: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)')\s*(?:#.*)?""")


def with_env_file(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Lay an environment over what a folder's file says, if there is one.

    Only variables that are ours to read are taken: such files hold much else.
    """
    try:
        text = (folder / ENV_FILE).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return dict(environment)
    lines = (_LINE.fullmatch(line) for line in text.splitlines())
    return {line[1]: _value(line[2]) for line in lines if line} | dict(environment)


def _value(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[1] if quoted[2] is None else quoted[2]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
