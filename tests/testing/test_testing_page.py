"""The page about testing shows tests that pass."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def shown() -> dict[str, object]:
    """Give what the page's code defines."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    module = ModuleType("shown")
    # The code under test is the page's own.
    exec(compile("\n".join(blocks), str(PAGE), "exec"), vars(module))  # noqa: S102
    return vars(module)


NAMES = sorted(name for name in shown() if name.startswith("test_"))


def test_there_are_some():
    assert len(NAMES) == 4


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_passes(name: str, tmp_path: Path):
    test = shown()[name]
    assert callable(test)
    arguments = {"tmp_path": tmp_path} if inspect.signature(test).parameters else {}
    outcome = test(**arguments)
    if inspect.iscoroutine(outcome):
        asyncio.run(asyncio.wait_for(outcome, 30))
