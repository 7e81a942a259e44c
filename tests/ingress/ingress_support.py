"""What the tests of the ingress share: an engine in memory, and a client without a socket."""

import asyncio
import json

from perdure.core.model.deployments import Defaults, build_registry, with_deployment
from perdure.core.model.identities import CHANCE_BYTES, request_id
from perdure.core.model.targets import HandlerKind
from perdure.engine.reception import Finding, Submission
from perdure.engine.waiters import Answer
from perdure.ingress.app import Ingress
from perdure.protocol.ids import deployment_text
from perdure.protocol.manifest import (
    HandlerManifest,
    HandlerType,
    InputPayload,
    Manifest,
    OutputPayload,
    ServiceManifest,
    ServiceType,
)
from perdure.protocol.messages import Failure, Value

JSON = "application/json"
#: Headers of a request whose body is JSON.
TYPED = (("content-type", JSON),)
JSON_INPUT = InputPayload(required=False, content_type=JSON, json_schema={"type": "string"})
JSON_OUTPUT = OutputPayload(content_type=JSON, set_content_type_if_empty=False)

#: 2026-11-21T20:28:55.473Z
NOW_MS = 1_795_292_935_473
DAY_MS = 86_400_000


def handler(name, ty=None, *, takes=JSON_INPUT, gives=JSON_OUTPUT, private=None):
    return HandlerManifest(name=name, ty=ty, input=takes, output=gives, ingress_private=private)


MANIFEST = Manifest(
    min_protocol_version=5,
    max_protocol_version=7,
    services=(
        ServiceManifest(
            name="Greeter",
            ty=ServiceType.SERVICE,
            handlers=(
                handler("greet"),
                handler("headers"),
                handler("slow"),
                handler("fail"),
                handler("noinput", takes=InputPayload()),
                handler("nooutput", gives=OutputPayload()),
                handler("echo", takes=None, gives=OutputPayload(content_type="image/png")),
                handler("secret", private=True),
                handler("send"),
            ),
        ),
        ServiceManifest(
            name="Hidden",
            ty=ServiceType.SERVICE,
            ingress_private=True,
            handlers=(handler("hush"),),
        ),
        ServiceManifest(
            name="Counter",
            ty=ServiceType.VIRTUAL_OBJECT,
            handlers=(handler("add"), handler("keyof", HandlerType.SHARED)),
        ),
        ServiceManifest(
            name="Signup",
            ty=ServiceType.WORKFLOW,
            handlers=(handler("run", HandlerType.WORKFLOW), handler("status")),
        ),
    ),
)


def registry_of(manifest):
    empty = build_registry([], Defaults())
    return with_deployment(empty, deployment_text(bytes(16)), "inprocess://test", manifest, NOW_MS)


class MemoryEngine:
    """Keeps the contract of ``perdure.engine.reception.Reception``, in a dictionary.

    ``behaviours`` gives an outcome for each handler at once; a handler without one runs until
    ``finish``.
    """

    def __init__(self, manifest=MANIFEST):
        self.registry = registry_of(manifest)
        self.behaviours = {"greet": lambda body: Value(body.input.value.content)}
        self.invocations = {}
        self.outcomes = {}
        self.awakeables = {}
        self.refusal = None
        self.forgotten = []
        self.drawn = 0
        self.has_accepted = asyncio.Event()
        self.has_forgotten = asyncio.Event()

    def now_ms(self):
        return NOW_MS

    def draw_id(self, target, idempotency_key):
        self.drawn += 1
        chance = self.drawn.to_bytes(CHANCE_BYTES, "big")
        return request_id(target, idempotency_key, NOW_MS, chance)

    def finish(self, invocation_id, outcome):
        self.outcomes[invocation_id].set_result(outcome)

    def _accept(self, body):
        if self.refusal is not None:
            raise self.refusal
        if body.invocation_id in self.invocations:
            return False
        self.invocations[body.invocation_id] = body
        self.has_accepted.set()
        future = self.outcomes[body.invocation_id] = asyncio.get_running_loop().create_future()
        behaviour = self.behaviours.get(body.target.handler)
        if behaviour is not None:
            future.set_result(behaviour(body))
        return True

    def begin_call(self, body, on_answer):
        is_new = self._accept(body)
        if not is_new and body.target.kind is HandlerKind.WORKFLOW:
            refused = Answer(Failure(409, "the workflow method was already invoked"), None)
            asyncio.get_running_loop().call_soon(on_answer, refused)
            return Waiter(self, body.invocation_id)
        return self._wait(body.invocation_id, on_answer, known=not is_new)

    def begin_submit(self, body, on_answer):
        is_new = self._accept(body)
        submission = Submission(is_new, self.invocations[body.invocation_id].execution_time)
        asyncio.get_running_loop().call_soon(on_answer, submission)

    def begin_attach(self, invocation_id, on_finding):
        if invocation_id not in self.outcomes:
            asyncio.get_running_loop().call_soon(on_finding, None)
            return Waiter(self, invocation_id)
        target = self.invocations[invocation_id].target
        known = self.outcomes[invocation_id].done()
        return self._wait(
            invocation_id, lambda answer: on_finding(Finding(target, answer)), known=known
        )

    def begin_output(self, invocation_id, on_finding):
        future = self.outcomes.get(invocation_id)
        if future is None:
            on_finding(None)
            return
        answer = Answer(future.result(), NOW_MS + DAY_MS) if future.done() else None
        on_finding(Finding(self.invocations[invocation_id].target, answer))

    def _wait(self, invocation_id, on_answer, *, known):
        waiter = Waiter(self, invocation_id)

        def tell(future):
            if not waiter.left:
                waiter.left = True
                on_answer(Answer(future.result(), NOW_MS + DAY_MS if known else None))

        outcome = self.outcomes[invocation_id]
        if outcome.done():  # perhaps on a loop that is over
            asyncio.get_running_loop().call_soon(tell, outcome)
        else:
            outcome.add_done_callback(tell)
        return waiter

    def begin_signal(self, invocation_id, signal, result, on_answer):
        waits = (invocation_id, signal) in self.awakeables
        if waits:
            self.awakeables[invocation_id, signal] = result
        asyncio.get_running_loop().call_soon(on_answer, waits)


class Waiter:
    """Somebody who waits for an invocation of the engine in memory."""

    def __init__(self, engine, invocation_id):
        self.engine = engine
        self.invocation_id = invocation_id
        self.left = False

    def leave(self):
        if not self.left:
            self.left = True
            self.engine.forgotten.append(self.invocation_id)
            self.engine.has_forgotten.set()


class Response:
    """A response as a client sees it."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["message"]


def scope_of(method, url, headers):
    path, _, query = url.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


def part(body, *, more=True):
    """Give an event that brings a piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def ask(app, method, url, body=b"", headers=(), *, events=None, changes=None):
    """Send one request straight into an ASGI application.

    ``events`` replaces what the body consists of; what follows it is silence. ``changes`` replace
    parts of the ASGI scope.
    """
    incoming = list(events or [{"type": "http.request", "body": body, "more_body": False}])
    sent = []

    async def receive():
        if incoming:
            return incoming.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def send(message):
        sent.append(message)

    await app(scope_of(method, url, headers) | (changes or {}), receive, send)
    if not sent:
        return None
    start, content = sent
    received = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Response(start["status"], received, content["body"])


def post(engine, url, body=b'"x"', headers=TYPED):
    """Answer one POST, by an ingress of its own."""
    return asyncio.run(ask(Ingress(engine), "POST", url, body, headers))


def get(engine, url):
    """Answer one GET without a body."""
    return asyncio.run(ask(Ingress(engine), "GET", url, b"", ()))
