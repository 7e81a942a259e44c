"""The admin API of a running server against whatever its own description allows, and more.

What registers deployments is left out: it would ask addresses that are drawn what they serve.
"""

from __future__ import annotations

import pytest
from admin_server import running
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

EXAMPLES = 12
#: What a request may be refused for is told in words only, so acceptance is not checked.
PROMISED = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
CALL_S = 20
#: What there is, drawn in the place of every other text that names a thing.
KNOWN = {
    "service": ("Counter", "Greeter", "Signup"),
    "handler": ("add", "greet", "run"),
    "cluster": ("kc1",),
}


@pytest.fixture(scope="module")
def world():
    with running() as server:
        schema = schemathesis.openapi.from_url(f"{server.admin}/openapi")
        yield server.admin, [each.ok() for each in schema.get_all_operations()]


def registers_deployments(operation):
    return operation.path.startswith("/deployments") and operation.method != "get"


def test_nothing_that_is_described_breaks_the_server(world):
    url, operations = world
    assert len(operations) > 30
    for operation in operations:
        if not registers_deployments(operation):
            fuzz(operation, url)


def fuzz(operation, url):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def call(case):
        for name, known in KNOWN.items():
            drawn = case.path_parameters.get(name)
            if drawn is not None and len(drawn) % 2:
                case.path_parameters[name] = known[len(drawn) % len(known)]
        response = case.call(base_url=url, timeout=CALL_S)
        assert response.status_code < 500, (case.as_curl_command(), response.text)
        case.validate_response(response, checks=PROMISED)

    call()
