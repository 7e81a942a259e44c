"""Coroutine tests run on a loop with real time and threads."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from query_world import QueryWorld


@pytest.fixture(params=[1, 2, 3])
def partitions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Split what is asked about over so many partitions."""
    monkeypatch.setattr(QueryWorld, "partitions", request.param)
    return request.param


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test; leave others to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
