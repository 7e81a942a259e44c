"""The discovery manifest as JSON."""

from __future__ import annotations

import json

import msgspec
import pytest

from perdure.protocol.manifest import (
    HANDLER_NAME,
    SERVICE_NAME,
    HandlerManifest,
    HandlerType,
    InputPayload,
    Manifest,
    OnMaxAttempts,
    OutputPayload,
    ProtocolMode,
    ServiceManifest,
    ServiceType,
)

FULL = Manifest(
    protocol_mode=ProtocolMode.BIDI_STREAM,
    min_protocol_version=5,
    max_protocol_version=7,
    lambda_compression="zstd",
    services=(
        ServiceManifest(
            name="Signup",
            ty=ServiceType.WORKFLOW,
            documentation="Signs up.",
            metadata={"team": "mail"},
            inactivity_timeout=1,
            abort_timeout=2,
            journal_retention=3,
            idempotency_retention=4,
            enable_lazy_state=True,
            ingress_private=False,
            retry_policy_initial_interval=5,
            retry_policy_max_interval=6,
            retry_policy_max_attempts=7,
            retry_policy_exponentiation_factor=1.5,
            retry_policy_on_max_attempts=OnMaxAttempts.KILL,
            handlers=(
                HandlerManifest(
                    name="run",
                    ty=HandlerType.WORKFLOW,
                    workflow_completion_retention=8,
                    input=InputPayload(required=True, content_type="a/b", json_schema={"x": 1}),
                    output=OutputPayload(content_type="a/b", set_content_type_if_empty=False),
                ),
            ),
        ),
    ),
)
TEXT = {
    "protocolMode": "BIDI_STREAM",
    "minProtocolVersion": 5,
    "maxProtocolVersion": 7,
    "lambdaCompression": "zstd",
    "services": [
        {
            "name": "Signup",
            "ty": "WORKFLOW",
            "documentation": "Signs up.",
            "metadata": {"team": "mail"},
            "inactivityTimeout": 1,
            "abortTimeout": 2,
            "journalRetention": 3,
            "idempotencyRetention": 4,
            "enableLazyState": True,
            "ingressPrivate": False,
            "retryPolicyInitialInterval": 5,
            "retryPolicyMaxInterval": 6,
            "retryPolicyMaxAttempts": 7,
            "retryPolicyExponentiationFactor": 1.5,
            "retryPolicyOnMaxAttempts": "KILL",
            "handlers": [
                {
                    "name": "run",
                    "ty": "WORKFLOW",
                    "workflowCompletionRetention": 8,
                    "input": {"required": True, "contentType": "a/b", "jsonSchema": {"x": 1}},
                    "output": {"contentType": "a/b", "setContentTypeIfEmpty": False},
                }
            ],
        }
    ],
}
LEAST = {
    "minProtocolVersion": 5,
    "maxProtocolVersion": 7,
    "services": [{"name": "S", "ty": "SERVICE", "handlers": [{"name": "h"}]}],
}


def test_fields_carry_the_protocols_names():
    assert json.loads(msgspec.json.encode(FULL)) == TEXT


def test_a_manifest_comes_back_as_it_was():
    assert msgspec.json.decode(msgspec.json.encode(FULL), type=Manifest) == FULL


def test_what_was_not_said_is_left_out():
    decoded = msgspec.convert(LEAST, Manifest)
    assert decoded.services[0].handlers[0].input is None
    assert json.loads(msgspec.json.encode(decoded)) == LEAST


def test_an_input_that_says_nothing_is_not_an_absent_one():
    """The first takes no body, the second any (service protocol 2.6)."""
    handler = msgspec.json.decode(b'{"name":"h","input":{},"output":{}}', type=HandlerManifest)
    assert handler.input == InputPayload()
    assert json.loads(msgspec.json.encode(handler)) == {"name": "h", "input": {}, "output": {}}


def test_fields_of_newer_versions_are_ignored():
    newer = {**LEAST, "eagerStateKeysWhitelist": ["a"]}
    assert msgspec.convert(newer, Manifest) == msgspec.convert(LEAST, Manifest)


@pytest.mark.parametrize(
    "change",
    [
        {"services": [{"name": "S", "ty": "ACTOR", "handlers": []}]},
        {"protocolMode": "TELEPATHY"},
        {"minProtocolVersion": "5"},
        {"services": None},
    ],
)
def test_what_is_not_a_manifest_is_refused(change):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**LEAST, **change}, Manifest)


@pytest.mark.parametrize(
    ("name", "service", "handler"),
    [
        ("Greeter", True, True),
        ("_a", True, True),
        ("a1_b", True, True),
        ("my.pkg-1", True, False),
        ("_", False, False),
        ("__a", False, False),
        ("1a", False, False),
        ("", False, False),
        ("a b", False, False),
        ("a\n", False, False),
    ],
)
def test_names_have_their_forms(name, service, handler):
    assert bool(SERVICE_NAME.fullmatch(name)) is service
    assert bool(HANDLER_NAME.fullmatch(name)) is handler
