"""Scenarios on either event loop, and conversations over HTTP/2."""

from __future__ import annotations

import asyncio

import pytest
from http2_client import Conversation
from open_servers import play


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a scenario, on either event loop."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    return lambda scenario: play(scenario(), factory)


@pytest.fixture
def world():
    """Give a connection over HTTP/2 that has just begun."""
    return Conversation()
