"""What the tests of a folder share stands beside them, and is imported by its bare name."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

for module in HERE.rglob("*.py"):
    if str(module.parent) not in sys.path:
        sys.path.append(str(module.parent))
