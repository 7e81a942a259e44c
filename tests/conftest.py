"""What the tests of a folder share stands beside them, and is imported by its bare name."""

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
