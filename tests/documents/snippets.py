"""Python snippets in documentation: where they stand, what they say, how they were indented.

The documentation's text has lost the space at the beginning of its lines. What a snippet's
indentation was is noted where the snippet is catalogued: a digit for each line, its depth.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^\s*```+(?P<info>.*)$")
_PYTHON = re.compile(r"^(python|py)\b")
_HEADING = re.compile(r"^#+ +(?P<title>.+?)\s*$")
_SOURCE = re.compile(r"^Source: https?://[^/]+/(?P<page>\S*)$")


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """A fenced block of Python.

    ``name`` tells the page, the heading above, and the how manyeth snippet below it this is.
    """

    name: str
    text: str

    @property
    def digest(self) -> str:
        """Tell whether the text is still the same."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:8]

    def indented(self, depths: str) -> str:
        """Give the text with each line moved to its depth.

        Raises:
            ValueError: there are not as many digits as lines.
        """
        lines = self.text.splitlines()
        depths = depths or "0" * len(lines)
        if len(depths) != len(lines):
            raise ValueError(f"{self.name}: {len(lines)} lines, but depths of {len(depths)}")
        return "\n".join(
            "    " * int(depth) + line.lstrip() for depth, line in zip(depths, lines, strict=True)
        )


def extract(document: str, page: str) -> Iterator[Snippet]:
    """Find the Python snippets of a document.

    Args:
        document: the text, Markdown.
        page: name of the page until the text itself tells another one.
    """
    counts: Counter[str] = Counter()
    heading = ""
    block: list[str] | None = None
    python = False
    for line in document.splitlines():
        fence = _FENCE.match(line)
        if fence and (block is None or fence["info"]):
            # A fence with a word after it always opens: some block before it was never closed.
            block, python = [], bool(_PYTHON.match(fence["info"].strip()))
        elif fence:
            if python:
                place = f"{page} > {heading}"
                counts[place] += 1
                yield Snippet(name=f"{place} #{counts[place]}", text="\n".join(block or ()))
            block = None
        elif block is not None:
            block.append(line)
        elif source := _SOURCE.match(line):
            page = source["page"]
        elif title := _HEADING.match(line):
            heading = title["title"]
