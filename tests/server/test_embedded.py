"""A server in the user's own process, with the services of an application."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from open_servers import DEADLINE_S, play

import perdure
from perdure.core.model.manifest_checks import RegistrationError
from perdure.core.model.shares import share_of
from perdure.engine.ports import StorageError
from perdure.server.doors import DoorError
from perdure.server.settings import SettingsError
from perdure.storage.directory import DataDirectory


def greeter_app(**options):
    greeter = perdure.Service("Greeter")

    @greeter.handler()
    async def greet(ctx: perdure.Context, name: str) -> str:
        return await ctx.run_typed("greeting", lambda: f"Hello {name}")

    return perdure.app([greeter], **options)


def counter_app():
    counter = perdure.VirtualObject("Counter")

    @counter.handler()
    async def add(ctx: perdure.ObjectContext, amount: int) -> int:
        total = (await ctx.get("total", type_hint=int) or 0) + amount
        ctx.set("total", total)
        return total

    return perdure.app([counter])


def object_called_greeter():
    return perdure.app([perdure.VirtualObject("Greeter")])


async def ask(url: str, path: str, body) -> object:
    async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
        response = await client.post(url + path, json=body)
        assert response.status_code == 200, response.text
        return response.json()


def test_an_application_is_served_over_http():
    async def scenario():
        async with perdure.embedded(greeter_app()) as runtime:
            assert await ask(runtime.ingress_url, "/Greeter/greet", "Ada") == "Hello Ada"
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"{runtime.admin_url}/health")).status_code == 200
            assert list(runtime.registry.services) == ["Greeter"]

    play(scenario())


def test_both_ports_speak_http2_to_clients_that_know():
    async def scenario():
        async with (
            perdure.embedded(greeter_app()) as runtime,
            httpx.AsyncClient(http1=False, http2=True, timeout=DEADLINE_S) as client,
        ):
            answer = await client.post(f"{runtime.ingress_url}/Greeter/greet", json="Ada")
            assert (answer.http_version, answer.json()) == ("HTTP/2", "Hello Ada")
            assert "x-restate-id" in answer.headers
            told = await client.get(f"{runtime.admin_url}/services")
            assert (told.http_version, told.status_code) == ("HTTP/2", 200)

    play(scenario())


def test_what_is_durable_outlives_the_server(tmp_path):
    async def scenario():
        for expected in (5, 10, 15):
            async with perdure.embedded(counter_app(), data_dir=tmp_path / "data") as runtime:
                assert await ask(runtime.ingress_url, "/Counter/k/add", 5) == expected
                assert runtime.registry.services["Counter"].revision == 1

    play(scenario())


def test_a_journal_without_end_pauses_its_invocation_until_it_may_grow(tmp_path):
    looper = perdure.Service("Looper")

    @looper.handler()
    async def loop(ctx: perdure.Context, rounds: int) -> int:
        for number in range(rounds):
            await ctx.run_typed("step", lambda number=number: number)
        return rounds

    async def scenario():
        app = perdure.app([looper])
        data, few = tmp_path / "data", {"worker.invoker.journal-entries-limit": "10"}
        async with perdure.embedded(app, data_dir=data, settings=few) as runtime:
            async with httpx.AsyncClient(base_url=runtime.ingress_url) as client:
                sent = await client.post("/Looper/loop/send", json=20)
                invocation_id = sent.json()["invocationId"]
            path = f"{runtime.admin_url}/invocations/{invocation_id}"
            async with httpx.AsyncClient() as client:
                told = (await client.get(path)).json()
                while told["status"] != "paused":
                    await asyncio.sleep(0.01)
                    told = (await client.get(path)).json()
        assert "journal-entries-limit" in str(told)
        async with perdure.embedded(app, data_dir=data) as runtime:
            async with httpx.AsyncClient(base_url=runtime.admin_url) as client:
                await client.patch(f"/invocations/{invocation_id}/resume")
            async with httpx.AsyncClient(base_url=runtime.ingress_url) as client:
                result = await client.get(f"/restate/invocation/{invocation_id}/attach")
                assert result.json() == 20

    play(scenario())


def test_without_a_data_directory_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERDURE_BASE_DIR", str(tmp_path / "not-used"))

    async def scenario():
        for _ in range(2):
            async with perdure.embedded(counter_app()) as runtime:
                assert await ask(runtime.ingress_url, "/Counter/k/add", 5) == 5

    play(scenario())
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_has_one_user(tmp_path):
    async def scenario():
        async with perdure.embedded(greeter_app(), data_dir=tmp_path) as runtime:
            with pytest.raises(StorageError, match="use"):
                async with perdure.embedded(greeter_app(), data_dir=tmp_path):
                    pass
            assert await ask(runtime.ingress_url, "/Greeter/greet", "Ada") == "Hello Ada"

    play(scenario())


def test_the_log_of_a_server_that_runs_is_not_touched_without_the_lock(tmp_path):
    async def scenario():
        async with perdure.embedded(greeter_app(), data_dir=tmp_path) as runtime:
            await ask(runtime.ingress_url, "/Greeter/greet", "Ada")
            (tmp_path / "LOCK").unlink()
            (segment,) = (tmp_path / "log").iterdir()
            before = segment.read_bytes()
            with pytest.raises(StorageError, match="lock"):
                async with perdure.embedded(greeter_app(), data_dir=tmp_path):
                    pass
            assert segment.read_bytes() == before

    play(scenario())


def test_a_server_that_cannot_start_leaves_nothing_behind(tmp_path):
    """Neither a lock, nor an open store, nor a port, nor a thread."""
    ports = free_ports(2)

    async def scenario():
        places = {"data_dir": tmp_path, "ingress_port": ports[0], "admin_port": ports[1]}
        async with perdure.embedded(greeter_app(), **places):
            pass
        for _ in range(2):
            with pytest.raises(RegistrationError, match="another name"):
                async with perdure.embedded(object_called_greeter(), **places):
                    pass
        async with perdure.embedded(greeter_app(), **places) as runtime:
            assert await ask(runtime.ingress_url, "/Greeter/greet", "Ada") == "Hello Ada"

    play(scenario())


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def test_a_registry_that_is_damaged_is_told(tmp_path):
    async def scenario():
        async with perdure.embedded(greeter_app(), data_dir=tmp_path):
            pass
        registry = tmp_path / "registry.json"
        whole = registry.read_bytes()
        registry.write_bytes(whole[:-1])
        with pytest.raises(StorageError, match="backup"):
            async with perdure.embedded(greeter_app(), data_dir=tmp_path):
                pass
        registry.write_bytes(whole)
        async with perdure.embedded(greeter_app(), data_dir=tmp_path):
            pass

    play(scenario())


def test_a_port_that_is_taken_is_told_with_the_option_to_change():
    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(DoorError, match=f"port {port}.*admin_port"):
                async with perdure.embedded(greeter_app(), admin_port=port):
                    pass

    play(scenario())


def test_without_ports_the_ingress_is_an_application_to_be_mounted():
    async def scenario():
        app = greeter_app()
        async with perdure.embedded(app, ingress_port=None, admin_port=None) as runtime:
            with pytest.raises(LookupError, match="no port of its own"):
                _ = runtime.ingress_url
            mounted = httpx.ASGITransport(runtime.ingress)
            async with httpx.AsyncClient(transport=mounted, base_url="http://here") as client:
                response = await client.post("/Greeter/greet", json="Ada")
            assert response.json() == "Hello Ada"

    play(scenario())


def test_settings_are_taken_and_refused(monkeypatch):
    async def scenario():
        monkeypatch.setenv("PERDURE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS", "3")
        monkeypatch.setenv("PERDURE_WORKER__INVOKER__ABORT_TIMEOUT", "9s")
        given = {"default-retry-policy.max-attempts": "5"}
        async with perdure.embedded(greeter_app(), settings=given) as runtime:
            schema = runtime.registry.handler("Greeter", "greet")
            assert schema.retry_policy.max_attempts == 5, "what is given comes first"
            assert schema.abort_timeout_ms == 9_000
        with pytest.raises(SettingsError, match="no setting"):
            async with perdure.embedded(greeter_app(), settings={"max-attempts": "5"}):
                pass

    play(scenario())


# -- An application's life


def test_partitions_are_processes_that_an_embedded_server_has_not(tmp_path):
    async def start(data_dir=tmp_path / "one", **options):
        async with perdure.embedded(greeter_app(), data_dir=data_dir, **options):
            pass

    with pytest.raises(SettingsError, match=r"2 partitions .* serve with perdure dev"):
        play(start(settings={"default-num-partitions": "2"}))
    play(start(settings={"default-num-partitions": "1"}))
    made_by_several = tmp_path / "several"
    DataDirectory.open(made_by_several, share_of(0, 2)).close()
    with pytest.raises(StorageError, match=r"perdure\.embedded and tests serve one"):
        play(start(data_dir=made_by_several))


def test_the_lifespan_of_an_application_holds_all_its_attempts():
    events = []

    @contextlib.asynccontextmanager
    async def lifespan():
        events.append("up")
        yield
        events.append("down")

    async def scenario():
        async with perdure.embedded(greeter_app(lifespan=lifespan)) as runtime:
            assert events == ["up"]
            await ask(runtime.ingress_url, "/Greeter/greet", "Ada")
        assert events == ["up", "down"]

    play(scenario())


def test_a_lifespan_that_fails_leaves_nothing_behind(tmp_path):
    (port,) = free_ports(1)

    @contextlib.asynccontextmanager
    async def lifespan():
        raise ConnectionError("no database")
        yield

    async def scenario():
        failing = greeter_app(lifespan=lifespan)
        with pytest.raises(ConnectionError, match="no database"):
            async with perdure.embedded(failing, data_dir=tmp_path, ingress_port=port):
                pass
        async with perdure.embedded(greeter_app(), data_dir=tmp_path, ingress_port=port):
            pass

    play(scenario())


def test_an_error_of_the_user_s_own_comes_through_and_stops_the_server(tmp_path):
    async def scenario():
        with pytest.raises(ZeroDivisionError):
            async with perdure.embedded(greeter_app(), data_dir=tmp_path):
                raise ZeroDivisionError
        async with perdure.embedded(greeter_app(), data_dir=tmp_path):
            pass

    play(scenario())


# -- Both halves of an attempt together

tree = perdure.Service("Tree")


@tree.handler()
async def leaves(ctx: perdure.Context, depth: int) -> int:
    if depth == 0:
        return 1
    calls = [ctx.service_call(leaves, arg=depth - 1) for _ in range(2)]
    return sum([await call for call in await perdure.gather(*calls)])


def test_one_slot_is_enough_for_a_parent_and_its_children():
    async def scenario():
        one_slot = {"worker.invoker.concurrent-invocations-limit": "1"}
        async with perdure.embedded(perdure.app([tree]), settings=one_slot) as runtime:
            assert await ask(runtime.ingress_url, "/Tree/leaves", 3) == 8

    play(scenario())


def test_a_server_stops_in_time_although_a_handler_does_not(tmp_path):
    started = asyncio.Event()
    stuck = perdure.Service("Stuck")

    async def forever() -> None:
        started.set()
        await asyncio.sleep(3_600)

    @stuck.handler()
    async def wait(ctx: perdure.Context) -> None:
        await ctx.run_typed("forever", forever)

    async def scenario():
        loop = asyncio.get_running_loop()
        soon = {"shutdown-timeout": "100ms"}
        async with (
            httpx.AsyncClient() as client,
            perdure.embedded(perdure.app([stuck]), data_dir=tmp_path, settings=soon) as runtime,
        ):
            sent = await client.post(f"{runtime.ingress_url}/Stuck/wait/send")
            assert sent.status_code == 202
            await started.wait()
            began = loop.time()
        assert 0.1 <= loop.time() - began < 5

    play(scenario())


def test_steps_that_hold_all_threads_hold_up_neither_queries_nor_the_stop(tmp_path):
    let_go = threading.Event()
    began: list[int] = []
    stuck = perdure.Service("Stuck")

    def block() -> None:
        began.append(1)
        let_go.wait(DEADLINE_S)

    @stuck.handler()
    async def wait(ctx: perdure.Context) -> None:
        await ctx.run_typed("block", block)

    async def story() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        async with perdure.embedded(
            perdure.app([stuck]), data_dir=tmp_path, settings={"shutdown-timeout": "100ms"}
        ) as runtime:
            async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
                for _ in range(3):
                    await client.post(f"{runtime.ingress_url}/Stuck/wait/send")
                query = {"query": "select count(*) as open from sys_invocation"}
                as_json = {"accept": "application/json"}
                found = await client.post(f"{runtime.admin_url}/query", json=query, headers=as_json)
            assert found.json() == {"rows": [{"open": 3}]}
            assert began == [1]

    async def in_time() -> None:
        try:
            await asyncio.wait_for(story(), DEADLINE_S / 2)
        finally:
            let_go.set()

    asyncio.run(in_time())


def test_what_sleeps_goes_on_in_the_next_server(tmp_path):
    sleeper = perdure.Service("Sleeper")

    @sleeper.handler()
    async def nap(ctx: perdure.Context) -> str:
        await ctx.sleep(timedelta(milliseconds=300))
        return "rested"

    async def scenario():
        app = perdure.app([sleeper])
        key = {"idempotency-key": "once"}
        async with (
            httpx.AsyncClient(timeout=DEADLINE_S) as client,
            perdure.embedded(app, data_dir=tmp_path) as runtime,
        ):
            url = f"{runtime.ingress_url}/Sleeper/nap"
            assert (await client.post(f"{url}/send", headers=key)).status_code == 202
        async with (
            httpx.AsyncClient(timeout=DEADLINE_S) as client,
            perdure.embedded(app, data_dir=tmp_path) as runtime,
        ):
            url = f"{runtime.ingress_url}/Sleeper/nap"
            assert (await client.post(url, headers=key)).json() == "rested"

    play(scenario())


def test_an_error_with_text_that_cannot_be_stored_is_retried():
    """A file's name may hold half of a character; its error must not hang the invocation."""
    attempts = []
    odd = perdure.Service("Odd")

    @odd.handler()
    async def read(ctx: perdure.Context) -> int:
        attempts.append(True)
        if len(attempts) == 1:
            raise FileNotFoundError("no file \udcff here")
        return len(attempts)

    async def scenario():
        soon = {"default-retry-policy.initial-interval": "10ms"}
        async with perdure.embedded(perdure.app([odd]), settings=soon) as runtime:
            async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
                response = await client.post(f"{runtime.ingress_url}/Odd/read")
            assert response.json() == 2

    play(scenario())


class TextSerde(perdure.Serde[object]):
    """A serde whose author forgot to encode."""

    def serialize(self, obj):
        return json.dumps(obj)

    def deserialize(self, buf):
        return json.loads(buf)


class NumberedError(perdure.TerminalError):
    """An error whose author gave the code as text."""

    def __init__(self):
        super().__init__("numbered")
        self.status_code = "404"


async def _fail_in_a_step(ctx):
    def fail():
        raise NumberedError

    await ctx.run_typed("fail", fail)


async def _return_text(ctx):
    await ctx.run_typed("text", lambda: 5, perdure.RunOptions(serde=TextSerde()))


async def _fail_with_numbers(_ctx):
    raise perdure.TerminalError("failed", 404, {"number": 5})


async def _fail_with_an_error(_ctx):
    raise perdure.TerminalError(ValueError("failed"))


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (_fail_in_a_step, "The code of a failure is a number such as 404, not str"),
        (_fail_with_numbers, "The metadata of a failure is a dict of strings to strings"),
        (_fail_with_an_error, "The message of a failure is a string, not ValueError"),
        (_return_text, "TextSerde gave str where bytes are expected: encode the text"),
    ],
)
def test_what_a_handler_says_wrongly_costs_an_attempt_and_not_the_data(tmp_path, handler, said):
    odd = perdure.Service("Odd")
    odd.handler("run")(handler)
    settings = {
        "default-retry-policy.max-attempts": "1",
        "default-retry-policy.on-max-attempts": "kill",
    }

    async def scenario():
        for _ in range(2):
            async with perdure.embedded(
                perdure.app([odd]), data_dir=tmp_path, settings=settings
            ) as runtime:
                key = {"idempotency-key": "k"}
                async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
                    response = await client.post(f"{runtime.ingress_url}/Odd/run", headers=key)
                assert response.status_code == 500
                assert said in response.json()["message"]

    play(scenario())


@pytest.mark.parametrize(
    ("app", "options", "error", "said"),
    [
        (perdure.Service("S"), {}, TypeError, "perdure.app"),
        (perdure.app, {}, TypeError, "perdure.app"),
        (greeter_app(), {"ingress_port": 65_536}, DoorError, "from 0 to 65535"),
        (greeter_app(), {"admin_port": "9070"}, DoorError, "admin_port: '9070' is no port"),
    ],
)
def test_what_is_given_wrongly_is_told(app, options, error, said):
    async def scenario():
        with pytest.raises(error, match=said):
            async with perdure.embedded(app, **options):
                pass

    play(scenario())
