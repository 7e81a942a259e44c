"""A server with the application under test, in a thread and on an event loop of its own.

A test may therefore block: what it waits for goes on. The server keeps everything in memory, and
nothing of it outlives the harness.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx
from anyio.from_thread import start_blocking_portal

from perdure.sdk.app import App
from perdure.sdk.client_http import reads_environment
from perdure.sdk.host import Host
from perdure.server.embedded import embedded
from perdure.server.runtime import Runtime
from perdure.testing.configuration import TestConfiguration

#: What still runs when a test is over has nobody to finish for.
_SETTINGS: Final = {"shutdown-timeout": "100ms"}
#: Seconds. Only connecting is bounded: a handler may take its time.
_TIMEOUT: Final = httpx.Timeout(None, connect=10.0)


class RestateTestHarness:
    """Serves an application for tests that are ordinary functions.

    Example:
        ```python
        with RestateTestHarness(app) as harness:
            assert harness.ingress_client().post("/Greeter/greet", json="Ada").is_success
        ```

    Args:
        asgi_app: The application, as :func:`perdure.app` gives it.
        config: How it is served.

    Raises:
        TypeError: what is given is no application.
    """

    def __init__(self, asgi_app: App, config: TestConfiguration | None = None) -> None:
        if not isinstance(asgi_app, App):
            raise TypeError(
                f"{asgi_app!r} is no application: give perdure.app([...services...]) to the harness"
            )
        self.config = config or TestConfiguration()
        self._app = _Tested(asgi_app, self.config)
        self._runtime: Runtime | None = None
        self._open = ExitStack()
        #: Held by who starts or stops: a stop waits for the start that it ends.
        self._changing = threading.Lock()

    @property
    def ingress_url(self) -> str:
        """Where requests go."""
        return self._started().ingress_url

    @property
    def admin_url(self) -> str:
        """Where operators look."""
        return self._started().admin_url

    def start(self) -> None:
        """Start the server, and register the application.

        Raises:
            RuntimeError: it was started already.
            DefinitionError: the application cannot be served.
            SettingsError: the environment holds a setting that is not understood.
            RegistrationError: a service contradicts itself.
        """
        with self._changing, ExitStack() as stack:
            if self._runtime is not None:
                raise RuntimeError("the test harness was started already; stop it first")
            if self.config.stream_logs:
                stack.enter_context(_printed_log())
            portal = stack.enter_context(start_blocking_portal())
            served = portal.wrap_async_context_manager(embedded(self._app, settings=_SETTINGS))
            self._runtime = stack.enter_context(served)
            self._open = stack.pop_all()

    def stop(self) -> None:
        """Stop the server, and close the clients; nothing happens if that was done already."""
        with self._changing:
            self._runtime = None
            self._open.close()

    def ingress_client(self) -> httpx.Client:
        """Give a client for requests to handlers; it is closed when the harness stops.

        Raises:
            RuntimeError: the harness does not run.
        """
        return self._client(self.ingress_url)

    def admin_client(self) -> httpx.Client:
        """Give a client for what operators do; it is closed when the harness stops.

        Raises:
            RuntimeError: the harness does not run.
        """
        return self._client(self.admin_url)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def _client(self, url: str) -> httpx.Client:
        client = httpx.Client(base_url=url, timeout=_TIMEOUT, trust_env=reads_environment(url))
        return self._open.enter_context(client)

    def _started(self) -> Runtime:
        if self._runtime is None:
            raise RuntimeError(
                "the test harness does not run: use it in a `with` block, or call start()"
            )
        return self._runtime


@dataclass(frozen=True)
class _Tested:
    """An application, served as a test asks for."""

    app: App
    config: TestConfiguration

    def host(self) -> Host:
        app = self.app
        manifest = self.config.applied_to(app.manifest())
        return Host(app.services, manifest, app.lifespan, codec=app.codec)


@contextmanager
def _printed_log() -> Iterator[None]:
    """Print what the server logs."""
    logger = logging.getLogger("perdure")
    printer = logging.StreamHandler()
    printer.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = logger.level
    logger.addHandler(printer)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(printer)
