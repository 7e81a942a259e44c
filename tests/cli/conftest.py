"""A folder and a process for each test of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dev_process import Dev, serving


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    yield from serving(tmp_path)
