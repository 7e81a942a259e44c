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
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

#: Between two columns.
_GAP: Final = 2
#: As wide as lines get where nobody looks.
PIPE_WIDTH: Final = 100_000
#: As long as an id is.
WORD_LENGTH: Final = 40
#: So narrow may a column of text that folds become, though it has longer words.
FOLDED_WIDTH: Final = 8
#: Control characters, which could move the cursor, recolour or retitle the terminal, and those that
#: turn the direction of the text around them.
_HARMLESS: Final = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x0A},
    **{code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
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


class _Column:
    """A column of a table, of which ids and names stay whole while anything else can fold.

    They are copied from terminals.
    """

    def __init__(self, header: Text, cells: Sequence[Text]) -> None:
        self.header = header
        self.cells = cells
        self.whole = all(_is_word(cell.plain) for cell in cells)

    @property
    def least(self) -> int:
        """How many characters wide it has to be."""
        texts = [self.header, *self.cells]
        if self.whole:
            return max(text.cell_len for text in texts)
        words = (len(word) for text in texts for word in text.plain.split())
        return min(max(words, default=0), FOLDED_WIDTH)


def counted(number: int, noun: str) -> str:
    """Say how many there are of what has a regular plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
        """Make a table; a column that is empty throughout is left out.

        Where the terminal is too narrow for it, each row is shown as names and values.
        """
        cells = [[_cell(value) for value in row] for row in rows]
        if not self.out.is_terminal:
            _keep_each_on_a_line(cells)
        columns = [
            _Column(plain(header), [row[index] for row in cells])
            for index, header in enumerate(headers)
            if not cells or any(row[index].plain for row in cells)
        ]
        if cells and self._least(columns) > self.out.width:
            return self._records(headers, cells)
        return self._grid(columns)

    def _grid(self, columns: Sequence[_Column]) -> Table:
        table = Table(
            box=SQUARE if self._borders else None,
            header_style="bold",
            padding=(0, _GAP, 0, 0) if not self._borders else (0, 1),
            pad_edge=self._borders,
        )
        for column in columns:
            table.add_column(column.header, overflow="fold", no_wrap=column.whole)
        for row in zip(*(column.cells for column in columns), strict=True):
            table.add_row(*row)
        return table

    def _least(self, columns: Sequence[_Column]) -> int:
        between, outside = (3, 4) if self._borders else (_GAP, 0)
        return sum(column.least + between for column in columns) - between + outside

    def _records(self, headers: Sequence[str], rows: Iterable[Sequence[Text]]) -> RenderableType:
        parts: list[RenderableType] = []
        for row in rows:
            pairs = zip(headers, row, strict=True)
            parts += [self.details((plain(name), cell) for name, cell in pairs if cell.plain), ""]
        return Group(*parts[:-1])

    def details(self, pairs: Iterable[tuple[str | Text, object]]) -> Table:
        """Make a table of names and values, without those that have none."""
        table = Table(box=None, show_header=False, padding=(0, _GAP, 0, 0), pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in pairs:
            if value not in (None, ""):
                table.add_row(name, _cell(value))
        return table


def _is_word(text: str) -> bool:
    return len(text) <= WORD_LENGTH and " " not in text


def _keep_each_on_a_line(rows: Iterable[Sequence[Text]]) -> None:
    for row in rows:
        for cell in row:
            if "\n" in cell.plain:
                cell.plain = cell.plain.strip("\n").replace("\n", "\\n")


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else plain(value)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
