"""The services of ``python_conformance``, with our SDK in the place of the official one."""

import sys

import perdure

sys.modules["restate"] = perdure

from python_conformance import app  # noqa: E402 - it shall import ours

__all__ = ["app"]
