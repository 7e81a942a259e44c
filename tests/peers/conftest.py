"""Coroutine tests run in virtual time."""

from __future__ import annotations

from virtual_time import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
