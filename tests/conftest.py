"""What holds for all tests: how they find what they share, and which wait to be asked for.

What the tests of a folder share stands beside them, and is imported by its bare name.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

for folder, below, files in os.walk(HERE):
    # What is installed for a test is not ours.
    below[:] = sorted(name for name in below if name[0] != "." and name != "node_modules")
    # The modules of a package are imported by the package's name.
    if "__init__.py" not in files and any(name.endswith(".py") for name in files):
        sys.path.append(folder)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "interop: needs a tool chain of another language; runs in `make interop`"
    )


def pytest_collection_modifyitems(config, items):
    """Leave out what needs a tool chain, unless marks were asked for."""
    if config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("interop") is not None]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item.get_closest_marker("interop") is None]
