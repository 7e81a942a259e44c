"""What holds for services that break the rules."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture
def nothing_unforeseen(caplog):
    """No peer makes this server log an error of its own."""
    yield
    errors = [each for each in caplog.get_records("call") if each.levelno >= logging.ERROR]
    assert errors == []
