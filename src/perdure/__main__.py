"""``python -m perdure``, and ``perdure``: the command line, as far as it is installed."""

from __future__ import annotations

import sys

from perdure.cli.errors import CommandError
from perdure.cli.extras import needed_by


def main() -> None:
    """Run the command line of this process, and leave."""
    try:
        with needed_by("the command line"):
            from perdure.cli.main import main as run  # noqa: PLC0415 - tells what is not installed
    except CommandError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    run()


if __name__ == "__main__":
    main()
