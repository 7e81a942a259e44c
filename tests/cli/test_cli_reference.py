"""docs/cli.md is what the commands say today."""

import re
import shlex
from pathlib import Path

from cli_world import User

from perdure.cli.reference import write_reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_is_up_to_date():
    assert PAGE.read_text() == write_reference(), (
        "write it anew: python -m perdure.cli.reference > docs/cli.md"
    )


def test_the_reference_tells_all_exit_codes():
    for code in (0, 1, 2, 3, 4, 130):
        assert f"\n| {code} | " in PAGE.read_text()


def test_the_commands_of_the_page_are_understood():
    lines = re.findall(r"^perdure (.*?) +#", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == 5
    for line in lines:
        assert "Usage:" not in User().runs(*shlex.split(line)).err, line
