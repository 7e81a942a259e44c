"""docs/cli.md is what the commands say today."""

from pathlib import Path

from perdure.cli.reference import write_reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_is_up_to_date():
    assert PAGE.read_text() == write_reference(), (
        "write it anew: python -m perdure.cli.reference > docs/cli.md"
    )


def test_the_reference_tells_all_exit_codes():
    for code in (0, 1, 2, 3, 4, 130):
        assert f"\n| {code} | " in PAGE.read_text()
