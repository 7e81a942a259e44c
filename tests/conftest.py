"""What the tests of a folder share stands beside them, and is imported by its bare name."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

for folder in sorted({module.parent for module in HERE.rglob("*.py")}):
    # The modules of a package are imported by the package's name.
    if not (folder / "__init__.py").exists():
        sys.path.append(str(folder))
