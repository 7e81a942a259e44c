import functools
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pydantic

from perdure.protocol.manifest import Manifest, ProtocolMode
from perdure.sdk.definitions import ServiceDefinition
from perdure.sdk.discovery import manifest_of
from perdure.sdk.options import InvocationRetryPolicy
from perdure.sdk.serde import BytesSerde, DefaultSerde
from perdure.sdk.services import Service, VirtualObject, Workflow


class Person(pydantic.BaseModel):
    name: str
    age: int = 3


@dataclass
class Address:
    street: str


class Opaque:
    pass


def manifest(*services: ServiceDefinition) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        msgspec.json.encode(manifest_of(services, ProtocolMode.BIDI_STREAM))
    )
    return document


def handlers(service: ServiceDefinition) -> dict[str, Any]:
    return {each["name"]: each for each in manifest(service)["services"][0]["handlers"]}


def payloads(fn: Any, **options: Any) -> tuple[Any, Any]:
    service = Service("Greeter")
    service.handler("f", **options)(fn)
    handler = handlers(service)["f"]
    return handler["input"], handler["output"]


def taking_json(schema: Any) -> dict[str, Any]:
    return {"required": False, "contentType": "application/json", "jsonSchema": schema}


def giving_json(schema: Any) -> dict[str, Any]:
    given = {"setContentTypeIfEmpty": False, "contentType": "application/json"}
    return {**given, "jsonSchema": schema}


def test_a_manifest():
    greeter = Service("Greeter")

    @greeter.handler()
    async def greet(ctx: Any, name: str) -> str:
        return name

    assert manifest(greeter) == {
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "protocolMode": "BIDI_STREAM",
        "services": [
            {
                "name": "Greeter",
                "ty": "SERVICE",
                "handlers": [
                    {
                        "name": "greet",
                        "input": taking_json({"type": "string"}),
                        "output": giving_json({"type": "string"}),
                    }
                ],
            }
        ],
    }


def test_a_manifest_can_be_read_back():
    signup = Workflow("Signup", metadata={"a": "b"}, inactivity_timeout=timedelta(seconds=1))

    @signup.main()
    async def run(ctx: Any, person: Person) -> list[Address]:
        return []

    document = manifest_of([signup], ProtocolMode.REQUEST_RESPONSE)
    assert msgspec.json.decode(msgspec.json.encode(document), type=Manifest) == document


def test_kinds():
    async def f(ctx):
        pass

    counter, signup = VirtualObject("Counter"), Workflow("Signup")
    counter.handler("exclusive")(f)
    counter.handler("shared", kind="shared")(f)
    signup.main("main")(f)
    signup.handler("beside")(f)
    document = manifest(counter, signup)
    assert [each["ty"] for each in document["services"]] == ["VIRTUAL_OBJECT", "WORKFLOW"]
    assert handlers(counter)["exclusive"]["ty"] == "EXCLUSIVE"
    assert handlers(counter)["shared"]["ty"] == "SHARED"
    assert handlers(signup)["main"]["ty"] == "WORKFLOW"
    assert handlers(signup)["beside"]["ty"] == "SHARED"


def test_no_input_and_no_output():
    async def f(ctx: Any) -> None:
        pass

    assert payloads(f) == ({}, {"setContentTypeIfEmpty": False})


def test_types_that_say_nothing_let_all_pass():
    async def f(ctx, value):
        return value

    assert payloads(f) == (
        taking_json(True),
        {"setContentTypeIfEmpty": False, "contentType": "application/json"},
    )


def test_a_type_that_nobody_models_lets_all_pass():
    async def f(ctx: Any, value: Opaque) -> dict[str, Opaque]:
        return {}

    assert payloads(f) == (taking_json(True), giving_json(True))


def test_models_have_their_schema():
    async def f(ctx: Any, person: Person | None) -> Address:
        return Address("")

    taken, given = payloads(f)
    schema = pydantic.TypeAdapter(Person | None).json_schema(mode="validation")
    assert taken == taking_json(schema)
    assert given == giving_json(msgspec.json.schema(Address))


def test_bytes():
    async def f(ctx: Any, body: bytes) -> bytes:
        return body

    taken, given = payloads(f)
    assert taken == {"required": False, "contentType": "*/*", "jsonSchema": True}
    assert given["contentType"] == "application/octet-stream"
    taken, given = payloads(f, accept="a/b", content_type="c/d", output_serde=BytesSerde())
    assert (taken["contentType"], given["contentType"]) == ("a/b", "c/d")


def test_a_serde_of_ones_own_keeps_the_schema_of_the_hint():
    async def f(ctx: Any, name: str) -> str:
        return name

    assert payloads(f, input_serde=BytesSerde(), output_serde=DefaultSerde(int)) == (
        taking_json({"type": "string"}),
        giving_json({"type": "integer"}),
    )


OPTIONS = {
    "metadata": {"team": "a"},
    "inactivity_timeout": timedelta(minutes=15),
    "abort_timeout": timedelta(milliseconds=1.5),
    "journal_retention": timedelta(0),
    "enable_lazy_state": False,
    "ingress_private": True,
    "invocation_retry_policy": InvocationRetryPolicy(
        initial_interval=timedelta(seconds=1),
        exponentiation_factor=1.5,
        max_interval=timedelta(seconds=30),
        max_attempts=10,
        on_max_attempts="kill",
    ),
}
ANNOUNCED = {
    "metadata": {"team": "a"},
    "inactivityTimeout": 900_000,
    "abortTimeout": 1,
    "journalRetention": 0,
    "enableLazyState": False,
    "ingressPrivate": True,
    "retryPolicyInitialInterval": 1000,
    "retryPolicyExponentiationFactor": 1.5,
    "retryPolicyMaxInterval": 30_000,
    "retryPolicyMaxAttempts": 10,
    "retryPolicyOnMaxAttempts": "KILL",
}


def test_options_of_a_service():
    retention = {"idempotency_retention": timedelta(days=3)}
    service = Workflow("Signup", "Signs up", **OPTIONS, **retention)  # type: ignore[arg-type]
    [announced] = manifest(service)["services"]
    assert announced == {
        "name": "Signup",
        "ty": "WORKFLOW",
        "handlers": [],
        "documentation": "Signs up",
        "idempotencyRetention": 259_200_000,
        **ANNOUNCED,
    }


def test_options_of_a_handler():
    signup = Workflow("Signup")

    @signup.main(**OPTIONS, workflow_retention=timedelta(days=1))  # type: ignore[arg-type]
    async def run(ctx: Any) -> None:
        """Sign up.

        And wait.
        """

    assert handlers(signup)["run"] == {
        "name": "run",
        "ty": "WORKFLOW",
        "input": {},
        "output": {"setContentTypeIfEmpty": False},
        "documentation": "Sign up.\n\nAnd wait.",
        "workflowCompletionRetention": 86_400_000,
        **ANNOUNCED,
    }


def test_a_description_goes_before_the_docstring():
    service = Service("Greeter")

    @service.handler(description="For people")
    async def f(ctx: Any) -> None:
        """For programmers."""

    assert handlers(service)["f"]["documentation"] == "For people"


def test_the_text_of_a_class_is_not_that_of_a_handler():
    async def f(ctx: Any, extra: int) -> None:
        """Do something."""

    service = Service("Greeter")
    service.handler("f")(functools.partial(f, extra=1))
    assert "documentation" not in handlers(service)["f"]
