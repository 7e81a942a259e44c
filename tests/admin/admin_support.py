"""What the tests of the admin API share: an engine that says what it is told, and a client."""

import asyncio
import contextlib
import json

from perdure.admin.app import create_admin
from perdure.core.model.deployments import Defaults, build_registry, with_deployment
from perdure.core.model.verdicts import Verdict
from perdure.engine.configurator import Configurator
from perdure.engine.registry import RegistryKeeper
from perdure.protocol import ids
from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    InputPayload,
    Manifest,
    OnMaxAttempts,
    OutputPayload,
    ServiceManifest,
    ServiceType,
)
from perdure.storage.document import MemoryDocument

#: 2026-11-21T20:28:55.473Z
NOW_MS = 1_795_292_935_473
OLDER = ids.deployment_text(bytes([1] * 16))
NEWER = ids.deployment_text(bytes([2] * 16))
INVOCATION = ids.InvocationId(bytes(range(24)))
NEW_INVOCATION = ids.InvocationId(bytes(range(1, 25)))

JSON = "application/json"


def manifest(*services):
    return Manifest(min_protocol_version=5, max_protocol_version=7, services=services)


GREETER = ServiceManifest(
    name="Greeter",
    ty=ServiceType.SERVICE,
    documentation="Greets",
    metadata={"team": "a"},
    idempotency_retention=7_200_000,
    handlers=(
        HandlerManifest(
            name="order",
            documentation="Place an order",
            input=InputPayload(content_type=JSON, json_schema={"title": "Order"}),
            output=OutputPayload(content_type=JSON, json_schema={"type": "string"}),
        ),
        HandlerManifest(
            name="fail",
            retry_policy_max_attempts=3,
            retry_policy_initial_interval=50,
            retry_policy_on_max_attempts=OnMaxAttempts.KILL,
            abort_timeout=12,
            ingress_private=True,
        ),
    ),
)
SIGNUP = ServiceManifest(
    name="Signup",
    ty=ServiceType.WORKFLOW,
    handlers=(
        HandlerManifest(name="run", ty=HandlerType.WORKFLOW, workflow_completion_retention=5_000),
        HandlerManifest(name="status", ty=HandlerType.SHARED),
    ),
)


def two_deployments():
    registry = build_registry([], Defaults())
    registry = with_deployment(
        registry, OLDER, "inprocess://old", manifest(SIGNUP, GREETER), NOW_MS
    )
    return with_deployment(registry, NEWER, "inprocess://new", manifest(GREETER), NOW_MS + 1)


class ScriptedEngine:
    """Answers every change with the verdict it was given, and notes what was asked."""

    def __init__(self, verdict=Verdict.DONE, rows=None, error=None, journals=None):
        self.registry = two_deployments()
        self.asked = []
        self._verdict = verdict
        self._rows = rows or {}
        self._journals = journals or {}
        self._error = error

    async def find(self, invocation_id):
        return self._rows.get(invocation_id)

    def _answer(self, *asked):
        self.asked.append(asked)
        if self._error is not None:
            raise self._error
        return self._verdict

    async def read_journal(self, invocation_id, start, limit):
        if invocation_id not in self._rows:
            return None
        return self._journals.get(invocation_id, [])[start : start + limit]

    async def mutate_state(self, service, key, state, version):
        return self._answer("mutate_state", service, key, state, version)

    async def cancel(self, invocation_id):
        return self._answer("cancel", invocation_id)

    async def kill(self, invocation_id):
        return self._answer("kill", invocation_id)

    async def pause(self, invocation_id):
        return self._answer("pause", invocation_id)

    async def purge(self, invocation_id):
        return self._answer("purge", invocation_id)

    async def purge_journal(self, invocation_id):
        return self._answer("purge-journal", invocation_id)

    async def resume(self, invocation_id, deployment):
        return self._answer("resume", invocation_id, deployment)

    async def restart_as_new(self, invocation_id, upto_index, deployment):
        verdict = self._answer("restart-as-new", invocation_id, upto_index, deployment)
        return verdict, NEW_INVOCATION if verdict is Verdict.DONE else None


class Response:
    """A response as a client sees it."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class FixedClock:
    """Stands still, and draws the same bytes but for a count."""

    def __init__(self):
        self._drawn = 0

    def now_ms(self):
        return NOW_MS

    def random_bytes(self, count):
        self._drawn += 1
        return self._drawn.to_bytes(count, "big")


class Server:
    """What is kept durably, and an engine that says what it is told; it can be started again."""

    def __init__(self, verdict=Verdict.DONE, registry=None):
        self.document = MemoryDocument()
        self.engine = ScriptedEngine(verdict)
        self.start()
        self.keeper.store(two_deployments() if registry is None else registry)

    def start(self):
        self.keeper = RegistryKeeper(self.document, FixedClock(), Defaults())
        self.configurator = Configurator(self.keeper, FixedClock())
        self.keeper.watch(self._registry_changed)
        self._registry_changed(self.keeper.registry)

    def _registry_changed(self, registry):
        self.engine.registry = registry

    def ask(self, method, url, body=None, **options):
        return ask(self.engine, method, url, body, configurator=self.configurator, **options)


def ask(engine, method, url, body=None, *, raises=(), content_type=JSON, **options):
    """Send one request straight into the admin API, which may raise after it has answered.

    The body is sent as it is if it is bytes, as JSON otherwise.
    """
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    headers = [] if content is None else [(b"content-type", content_type.encode())]
    app = create_admin(engine, **options)
    return asyncio.run(exchange(app, method, url, raises, content or b"", headers))


async def exchange(app, method, url, raises, content, headers):
    path, _, query = url.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message):
        sent.append(message)

    with contextlib.suppress(*raises):
        await app(scope, receive, send)
    start, *contents = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Response(start["status"], headers, b"".join(each["body"] for each in contents))
