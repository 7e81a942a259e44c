"""What a type checker makes of programs: results have the types of the functions that give them."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1] / "src"


def test_a_program_has_the_types_that_it_says(tmp_path: Path):
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=",
         f"--cache-dir={tmp_path}", HERE / "typed_program.py"],
        env={**os.environ, "MYPYPATH": str(SOURCES)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout
