"""Text in and out of the command line, in terminals that do not know all of it."""

from __future__ import annotations

import os
import subprocess
import sys

from cli_world import Admin, User

from perdure.cli.errors import EXIT_USAGE


def test_what_the_terminal_cannot_show_is_escaped():
    program = (
        "from perdure.cli.output import Output\n"
        "from perdure.cli.streams import write_whatever_comes\n"
        "write_whatever_comes()\n"
        "print('printed by a handler: ☃')\n"
        "Output().text('Grüße')\n"
        "Output().json({'key': '😀'}, compact=True)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.splitlines() == [
        r"printed by a handler: \u2603",
        r"Gr\xfc\xdfe",
        r'{"key": "\ud83d\ude00"}',
    ]


def test_an_argument_that_is_no_text_is_told():
    ran = User(Admin({})).runs("sql", "select '\udcff'")
    assert ran.code == EXIT_USAGE
    assert "not in the encoding of this terminal" in ran.err
