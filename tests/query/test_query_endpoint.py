"""``POST /query`` as clients see it."""

from __future__ import annotations

import asyncio
import json

import pyarrow as pa
import pytest
from query_world import QueryWorld

from perdure.admin.app import create_admin
from perdure.admin.query import QUERY_BYTES_MAX, query_operation
from perdure.query.queries import QueryLimits

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
ENDLESS = "SELECT COUNT(*) FROM generate_series(1, 100000000000) a, generate_series(1, 10000) b"


class Client:
    """One exchange with the admin API; the client may go away."""

    def __init__(self, world):
        self._app = create_admin(world.engine.requests, more=[query_operation(world.queries)])
        self.gone = asyncio.Event()
        self.sent = []

    async def post(self, body, *, accept=JSON, path="/query", method="POST"):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [] if accept is None else [(b"accept", accept.encode())],
        }
        pieces = [body if isinstance(body, bytes) else json.dumps(body).encode()]

        async def receive():
            if pieces:
                return {"type": "http.request", "body": pieces.pop(), "more_body": False}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            self.sent.append(message)

        await self._app(scope, receive, send)
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def content_type(self):
        return dict(self.sent[0]["headers"])[b"content-type"].decode()

    @property
    def body(self):
        return b"".join(message["body"] for message in self.sent[1:])


async def ask(sql, **options):
    return await Client(await QueryWorld().start()).post({"query": sql}, **options)


@pytest.mark.parametrize("path", ["/query", "/v2/query", "/v3/query", "/v4/query"])
async def test_rows_as_json(path):
    answered = await ask("SELECT 1 AS i, 'x' AS s, NULL AS n", path=path)
    assert (answered.status, answered.content_type) == (200, JSON)
    assert answered.body == b'{"rows":[{"i":1,"s":"x"}]}'
    assert b"content-length" not in dict(answered.sent[0]["headers"])


@pytest.mark.parametrize("accept", [None, "*/*", "text/csv", "application/json;q=0.9", ARROW])
async def test_everything_but_json_is_an_arrow_stream(accept):
    answered = await ask("SELECT 1 AS i", accept=accept)
    assert (answered.status, answered.content_type) == (200, ARROW)
    assert pa.ipc.open_stream(answered.body).read_all().to_pylist() == [{"i": 1}]


async def test_no_rows():
    assert (await ask("SELECT * FROM sys_inbox WHERE 1 = 0")).body == b'{"rows":[]}'


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("selec 1", "ParserError"),
        ("SELECT * FROM foo", "table 'restate.public.foo' not found"),
        ("SELECT foo FROM state", "No field named foo"),
        ("DROP TABLE state", "DDL not supported: DropTable"),
        ("SELECT * FROM sys_invocation WHERE id = 'foo'", "non valid invocation id"),
        ("SELECT a ->>", "misses one of its sides"),
    ],
)
async def test_what_is_wrong_is_told(sql, told):
    answered = await ask(sql)
    assert (answered.status, answered.content_type) == (400, JSON)
    assert told in json.loads(answered.body)["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"q": ""}, 422),
        ({"query": 1}, 422),
        ([], 422),
        (b"SELECT 1", 400),
        (b"", 400),
        (b"\xff", 400),
        (b" " * (QUERY_BYTES_MAX + 1), 413),
    ],
)
async def test_bodies_that_are_no_query(body, status):
    answered = await Client(await QueryWorld().start()).post(body)
    assert answered.status == status
    assert json.loads(answered.body)["message"]


async def test_other_methods_are_refused():
    assert (await ask("SELECT 1", method="GET")).status == 405


async def test_a_client_that_goes_away_ends_its_query():
    world = await QueryWorld(QueryLimits(running=1, waiting=0)).start()
    client = Client(world)
    asking = asyncio.ensure_future(client.post({"query": ENDLESS}))
    async with asyncio.timeout(10):
        while not world.queries.pending:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)
    busy = await Client(world).post({"query": "SELECT 1 AS i"})
    assert busy.status == 429
    client.gone.set()
    await asking
    assert client.sent == []
    assert (await Client(world).post({"query": "SELECT 1 AS i"})).body == b'{"rows":[{"i":1}]}'
