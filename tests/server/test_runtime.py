"""A running server: what is added while it runs, and what happens when it stops by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import httpx
import pytest
from msgspec.structs import replace
from open_servers import DEADLINE_S, play

import perdure
from perdure.core.model.manifest_checks import RegistrationError
from perdure.engine.ports import StorageError
from perdure.server.doors import bind
from perdure.server.http2_sender import STREAMS_MAX
from perdure.server.runtime import Failure, open_runtime
from perdure.server.settings import Settings
from perdure.transport.http2_frames import (
    PREFACE,
    Setting,
    read_head,
    read_settings,
    settings_frame,
)

IN_MEMORY = Settings(data_dir=None, shutdown_timeout_ms=1_000)


def echo_app(word: str, *names: str):
    """Make an application of services that answer with a word."""

    def service(name: str):
        made = perdure.Service(name)

        @made.handler()
        async def say(ctx: perdure.Context) -> str:
            return word

        return made

    return perdure.app([service(name) for name in names])


@contextlib.asynccontextmanager
async def running(app, failure: Failure, settings: Settings = IN_MEMORY):
    """Run a server for an application named ``app``, on free ports."""
    with contextlib.ExitStack() as stack:
        listeners = {
            name: stack.enter_context(bind("127.0.0.1", 0, "--port"))
            for name in ("ingress", "admin")
        }
        async with open_runtime(settings, {"app": app.host()}, listeners, failure) as runtime:
            yield runtime


async def say(runtime, service: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
        return await client.post(f"{runtime.ingress_url}/{service}/say")


def test_applications_are_added_and_replaced_while_the_server_runs():
    async def scenario():
        async with running(echo_app("one", "First"), Failure()) as runtime:
            assert (await say(runtime, "Second")).status_code == 404
            deployment = runtime.serve("second", echo_app("two", "Second").host())
            assert deployment.endpoint == "inprocess://second"
            assert (await say(runtime, "Second")).json() == "two"

            again = runtime.serve("second", echo_app("three", "Second").host())
            assert again == deployment, "what it serves is the same"
            assert (await say(runtime, "Second")).json() == "three"
            assert (await say(runtime, "First")).json() == "one"

    play(scenario())


def test_an_application_that_is_refused_replaces_nothing():
    async def scenario():
        async with running(echo_app("one", "First"), Failure()) as runtime:
            contradiction = perdure.app([perdure.VirtualObject("First")])
            with pytest.raises(RegistrationError):
                runtime.serve("app", contradiction.host())
            assert (await say(runtime, "First")).json() == "one"

    play(scenario())


def test_a_server_that_stops_by_itself_says_why(caplog):
    async def scenario():
        failure = Failure()
        async with running(echo_app("one", "First"), failure) as runtime:
            runtime.log._records.fail("disk full")
            response = await say(runtime, "First")
            assert response.status_code == 503
            assert "disk full" in str(await failure.reason)
            assert (await say(runtime, "First")).status_code == 503

    with caplog.at_level(logging.CRITICAL, "perdure.server"):
        play(scenario())
    assert "the server stops: disk full" in caplog.text


def test_a_request_that_waits_while_the_server_stops_is_answered():
    async def scenario():
        entered = asyncio.Event()
        waiting = perdure.Service("Waiting")

        @waiting.handler()
        async def say(ctx: perdure.Context) -> str:
            entered.set()
            _, promise = ctx.awakeable()
            return await promise

        async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
            async with running(perdure.app([waiting]), Failure()) as runtime:
                url = f"{runtime.ingress_url}/Waiting/say"
                asked = asyncio.ensure_future(client.post(url))
                await entered.wait()
            assert (await asked).status_code == 503

    play(scenario())


def test_how_many_requests_a_connection_to_the_ingress_takes_is_a_setting():
    async def scenario():
        few = replace(IN_MEMORY, ingress_streams_limit=7)
        async with running(echo_app("one", "First"), Failure(), few) as runtime:
            assert await streams_max(runtime.ingress_url) == 7
            assert await streams_max(runtime.admin_url) == STREAMS_MAX

    play(scenario())


async def streams_max(url: str) -> int:
    """Ask a door how many requests a connection of HTTP/2 may have under way."""
    address = httpx.URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    with contextlib.closing(writer):
        writer.write(PREFACE + settings_frame({}))
        length, *_ = read_head(await reader.readexactly(9), 0)
        told = dict(read_settings(await reader.readexactly(length)))
    return told[Setting.MAX_CONCURRENT_STREAMS]


def test_a_registry_that_was_lost_is_missed_before_another_takes_its_place(tmp_path):
    settings = replace(IN_MEMORY, data_dir=tmp_path)
    registry = tmp_path / "registry.json"

    async def start(*, calling: bool = False):
        async with running(echo_app("one", "First"), Failure(), settings) as runtime:
            if calling:
                assert (await say(runtime, "First")).json() == "one"

    play(start())
    registry.unlink()
    play(start(calling=True))  # nothing had run: what is registered now is all there ever was
    kept = registry.read_bytes()
    registry.unlink()
    for _ in range(2):
        with pytest.raises(StorageError, match=r"registry\.json\) is missing"):
            play(start())
        assert not registry.exists()
    registry.write_bytes(kept)
    play(start(calling=True))
