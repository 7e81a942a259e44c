"""The test harness by the official SDK's names and parameters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from anyio import CancelScope, to_thread

from perdure.sdk.app import App
from perdure.sdk.client import create_client
from perdure.sdk.journal_codec import JournalValueCodec
from perdure.testing.configuration import TestConfiguration
from perdure.testing.environment import HarnessEnvironment
from perdure.testing.threaded import RestateTestHarness

_IMAGE: Final = "docker.io/restatedev/restate:latest"


@asynccontextmanager
async def create_test_harness(
    app: App,
    follow_logs: bool = False,
    restate_image: str = _IMAGE,
    always_replay: bool = False,
    disable_retries: bool = False,
    journal_value_codec: JournalValueCodec | None = None,
) -> AsyncIterator[HarnessEnvironment]:
    """Serve an application for tests that are coroutines, until the block is left.

    Example:
        ```python
        async with create_test_harness(app) as env:
            assert await env.client.service_call(greet, "Ada") == "Hello Ada"
        ```

    Args:
        app: The application.
        follow_logs: Whether the server's log is printed.
        restate_image: Accepted if any version will do: there is no container.
        always_replay: Whether handlers suspend wherever they wait, and begin again with a replay:
            what is not repeatable in them fails at once.
        disable_retries: Whether the first failure of an attempt is the end of its invocation.
        journal_value_codec: The application's codec, if it has one: the client needs it as well.

    Raises:
        TypeError: what is given is no application.
        ValueError: the image is one of a certain version.
    """
    harness = test_harness(app, follow_logs, restate_image, always_replay, disable_retries)
    try:
        await to_thread.run_sync(harness.start)
        url = harness.ingress_url
        async with create_client(url, journal_value_codec=journal_value_codec) as client:
            yield HarnessEnvironment(
                ingress_url=url, admin_api_url=harness.admin_url, client=client
            )
    finally:
        # Whoever is cancelled still waits for the server's end, also if it has only begun to start:
        # it must not outlive the test.
        with CancelScope(shield=True):
            await to_thread.run_sync(harness.stop)


class test_harness(RestateTestHarness):  # noqa: N801 - the official SDK's name
    """Serves an application for tests that are ordinary functions, within a ``with`` block.

    It is a class because pytest takes functions of such names for tests.

    Example:
        ```python
        with test_harness(app) as harness:
            client = harness.ingress_client()
            assert client.post("/Greeter/greet", json="Ada").json() == "Hello Ada"
        ```

    Args:
        app: The application.
        follow_logs: Whether the server's log is printed.
        restate_image: Accepted if any version will do: there is no container.
        always_replay: Whether handlers suspend wherever they wait, and begin again with a replay.
        disable_retries: Whether the first failure of an attempt is the end of its invocation.

    Raises:
        TypeError: what is given is no application.
        ValueError: the image is one of a certain version.
    """

    def __init__(
        self,
        app: App,
        follow_logs: bool = False,
        restate_image: str = _IMAGE,
        always_replay: bool = False,
        disable_retries: bool = False,
    ) -> None:
        config = TestConfiguration(restate_image, follow_logs, always_replay, disable_retries)
        super().__init__(app, config)
