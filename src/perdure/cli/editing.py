"""Letting the user change a text in an editor of their own."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from perdure.cli.environments import variable
from perdure.cli.errors import RefusedError
from perdure.cli.surroundings import Surroundings


def edit(surroundings: Surroundings, text: str, suffix: str) -> str:
    """Show a text in the editor, and give what became of it.

    Raises:
        RefusedError: the editor cannot be started, or said that it failed.
    """
    # Only this user may read the folder: what is edited may be private.
    with tempfile.TemporaryDirectory(prefix="perdure-") as folder:
        path = Path(folder) / f"edit{suffix}"
        path.write_text(text, encoding="utf-8")
        edit_file(surroundings, path)
        return path.read_text(encoding="utf-8")


def edit_file(surroundings: Surroundings, path: Path) -> None:
    """Open a file in the editor, until it is closed.

    Raises:
        RefusedError: the editor cannot be started, or said that it failed.
    """
    environment = surroundings.environment
    chosen = (
        variable(environment, "EDITOR") or environment.get("VISUAL") or environment.get("EDITOR")
    )
    command = shlex.split(chosen or "vi")
    try:
        code = surroundings.run_editor([*command, str(path)])
    except OSError as error:
        raise RefusedError(
            f"the editor {command[0]!r} cannot be started: {error}; set EDITOR to another"
        ) from error
    if code != 0:
        raise RefusedError(f"the editor {command[0]!r} ended with code {code}; nothing was changed")
