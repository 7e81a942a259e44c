"""The page of error codes and the code tell of the same ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text()
ROWS = dict(re.findall(r"^\| `((?:RT|META)\d{4})` \| ([^|]+) \|", PAGE, re.MULTILINE))
#: All codes that the server which we implement has.
KNOWN = {
    *(f"RT{number:04}" for number in range(1, 26) if number != 8),
    *(f"META{number:04}" for number in (3, 4, 5, 6, 9, *range(10, 18))),
}
SOURCES = {path: path.read_text() for path in (ROOT / "src" / "perdure").rglob("*.py")}
#: What clients know of codes, and what the core knows of those that others file, files none.
READERS = {"admin_api.py", "retrying.py"}


def filed() -> set[str]:
    """Give the codes that stand in the code as values, or at the beginning of messages."""
    return {
        code
        for path, text in SOURCES.items()
        if path.name not in READERS
        for code in re.findall(r"[\"\[]((?:RT|META)\d{4})[\"\]]", text)
    }


def test_every_code_is_told_of():
    assert set(ROWS) == KNOWN


def test_every_code_is_filed_or_said_not_to_be():
    silent = {code for code, meaning in ROWS.items() if meaning.startswith("never told")}
    assert filed() == KNOWN - silent


@pytest.mark.parametrize("code", sorted(KNOWN))
def test_no_code_is_told_of_twice(code):
    assert PAGE.count(f"| `{code}` |") == 1
