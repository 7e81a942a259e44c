"""Scenarios on either event loop; coroutine tests run in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from virtual_time import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a scenario, on either event loop."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop

    def play(scenario) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(scenario(), 30))

    return play
