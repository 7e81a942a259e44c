"""What a command says: data on stdout, everything else on stderr.

Colours have meanings: green is well, yellow waits or may need a look, red failed, dim is aside.
They fall away with ``NO_COLOR`` and where nobody looks; tables then keep each row on one line, for
programs that read lines. What servers and handlers wrote cannot steer the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.box import SQUARE
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

#: As wide as lines get where nobody looks.
PIPE_WIDTH: Final = 100_000
#: As long as an id is.
WORD_LENGTH: Final = 40
#: Control characters, which could move the cursor, recolour or retitle the terminal.
_HARMLESS: Final = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x0A},
    0x09: "    ",
    0x0D: None,
}

STATUS_STYLES: Final = {
    "completed": "green",
    "success": "green",
    "running": "cyan",
    "ready": "cyan",
    "invoked": "cyan",
    "suspended": "blue",
    "scheduled": "blue",
    "pending": "yellow",
    "inboxed": "yellow",
    "backing-off": "red",
    "paused": "red",
    "failure": "red",
}


def plain(value: object, style: str = "") -> Text:
    """Make text of a value, without markup and without control characters."""
    text = "" if value is None else str(value)
    return Text(text.translate(_HARMLESS), style=style)


def status_text(status: object) -> Text:
    """Show a status in its colour."""
    return plain(status, STATUS_STYLES.get(str(status), ""))


class Output:
    """Writes for one run of a command."""

    def __init__(self, *, quiet: bool = False, borders: bool = False) -> None:
        self._quiet = quiet
        self._borders = borders
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def data(self, document: RenderableType) -> None:
        """Write what was asked for."""
        self.out.print(document)

    def json(self, document: Any, *, compact: bool = False) -> None:
        """Write a document as JSON; in one line if compact."""
        indent = None if compact else 2
        encoded = sys.stdout.encoding or "utf-8"
        ascii_only = not encoded.lower().startswith("utf")
        sys.stdout.write(json.dumps(document, indent=indent, ensure_ascii=ascii_only) + "\n")
        sys.stdout.flush()

    def text(self, text: str) -> None:
        """Write text as it is."""
        sys.stdout.write(text if text.endswith("\n") else text + "\n")

    def note(self, message: RenderableType, style: str = "dim") -> None:
        """Say something aside."""
        if not self._quiet:
            self.err.print(plain(message, style) if isinstance(message, str) else message)

    def done(self, message: str) -> None:
        """Say that something went well."""
        self.note(message, "green")

    def warn(self, message: str) -> None:
        """Say what needs a look, even to who asked for quiet."""
        self.err.print(plain(message, "yellow"))

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
        """Make a table; a column that is empty throughout is left out."""
        cells = [[_cell(value) for value in row] for row in rows]
        used = [
            index
            for index in range(len(headers))
            if not cells or any(row[index].plain for row in cells)
        ]
        table = Table(
            box=SQUARE if self._borders else None,
            header_style="bold",
            padding=(0, 2, 0, 0) if not self._borders else (0, 1),
            pad_edge=self._borders,
        )
        for index in used:
            # Ids and names are copied from terminals: they stay whole while anything else can fold.
            whole = all(_is_word(row[index].plain) for row in cells)
            table.add_column(headers[index], overflow="fold", no_wrap=whole)
        for row in cells:
            table.add_row(*(row[index] for index in used))
        return table

    def details(self, pairs: Iterable[tuple[str, object]]) -> Table:
        """Make a table of names and values, without those that have none."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in pairs:
            if value not in (None, ""):
                table.add_row(name, _cell(value))
        return table


def _is_word(text: str) -> bool:
    return len(text) <= WORD_LENGTH and " " not in text


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else plain(value)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
