import pytest

from perdure.core.model.payloads import (
    PayloadError,
    check_input,
    describe_input,
    describe_output,
    media_type_matches,
    output_content_type,
)
from perdure.protocol.manifest import InputPayload, OutputPayload

JSON = "application/json"
SCHEMA = {"type": "object"}

MISSING = None
NO_INPUT = InputPayload()
ANY_OPTIONAL = InputPayload(content_type="*/*", json_schema=True, required=False)
JSON_OPTIONAL = InputPayload(content_type=JSON, required=False)
JSON_OPTIONAL_SCHEMA = InputPayload(content_type=JSON, json_schema=SCHEMA, required=False)
JSON_REQUIRED_SCHEMA = InputPayload(content_type=JSON, json_schema=SCHEMA, required=True)
FAMILY_REQUIRED = InputPayload(content_type="application/*", required=True)
CONTRADICTORY = InputPayload(required=True)

OK = None
NO_TYPE = "Empty content-type"
NO_BODY = "Empty body"
NOT_EMPTY = "to be empty"
BAD = "Bad configuration"


@pytest.mark.parametrize(
    ("rule", "nothing", "both", "type_only", "body_only"),
    [
        (MISSING, OK, OK, OK, NO_TYPE),
        (NO_INPUT, OK, NOT_EMPTY, NOT_EMPTY, NOT_EMPTY),
        (ANY_OPTIONAL, OK, OK, NO_BODY, NO_TYPE),
        (JSON_OPTIONAL, OK, OK, OK, NO_TYPE),
        (JSON_OPTIONAL_SCHEMA, OK, OK, NO_BODY, NO_TYPE),
        (JSON_REQUIRED_SCHEMA, NO_TYPE, OK, NO_BODY, NO_TYPE),
        (FAMILY_REQUIRED, NO_TYPE, OK, OK, NO_TYPE),
        (CONTRADICTORY, BAD, BAD, BAD, BAD),
    ],
)
def test_the_matrix_of_rules_and_requests(rule, nothing, both, type_only, body_only):
    requests = {(None, True): nothing, (JSON, False): both, (JSON, True): type_only}
    requests[None, False] = body_only
    for (content_type, empty), says in requests.items():
        if says is None:
            check_input(rule, content_type, empty=empty)
        else:
            with pytest.raises(PayloadError, match=says):
                check_input(rule, content_type, empty=empty)


@pytest.mark.parametrize("rule", [JSON_OPTIONAL, FAMILY_REQUIRED])
def test_another_type_is_refused_by_name(rule):
    with pytest.raises(PayloadError, match="Content-type 'text/plain' does not match 'app"):
        check_input(rule, "text/plain", empty=False)


def test_an_empty_content_type_is_a_wrong_one():
    with pytest.raises(PayloadError, match="Content-type '' does not match"):
        check_input(JSON_OPTIONAL, "", empty=False)


@pytest.mark.parametrize(
    ("given", "expected", "matches"),
    [
        (JSON, JSON, True),
        ("application/json; charset=utf-8", JSON, True),
        ("Application/JSON", JSON, True),
        (JSON, "application/json; charset=utf-8", True),
        ("application/cloudevents+json", JSON, True),
        ("application/xml", JSON, False),
        (JSON, "application/cloudevents+json", False),
        ("image/png", "*/*", True),
        ("image/png", "image/*", True),
        ("imagery/png", "image/*", False),
        ("text/plain", "image/*", False),
    ],
)
def test_media_types(given, expected, matches):
    assert media_type_matches(given, expected) is matches


@pytest.mark.parametrize(
    ("rule", "with_body", "without"),
    [
        (None, JSON, None),
        (OutputPayload(), None, None),
        (OutputPayload(content_type="text/plain"), "text/plain", None),
        (
            OutputPayload(content_type="text/plain", set_content_type_if_empty=True),
            "text/plain",
            "text/plain",
        ),
    ],
)
def test_output_types(rule, with_body, without):
    assert output_content_type(rule, empty=False) == with_body
    assert output_content_type(rule, empty=True) == without


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (MISSING, "*/*"),
        (NO_INPUT, "none"),
        (CONTRADICTORY, "<invalid rules>"),
        (JSON_OPTIONAL, JSON),
        (JSON_OPTIONAL_SCHEMA, "JSON object"),
        (ANY_OPTIONAL, "*/*"),
        (InputPayload(content_type=JSON, json_schema={"title": "Order", **SCHEMA}), "JSON 'Order'"),
        (InputPayload(content_type=JSON, json_schema={"anyOf": []}), JSON),
    ],
)
def test_input_descriptions(rule, text):
    assert describe_input(rule) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (None, JSON),
        (OutputPayload(), "none"),
        (OutputPayload(content_type="text/plain", json_schema=True), "text/plain"),
        (OutputPayload(content_type=JSON, json_schema={"type": "string"}), "JSON string"),
        (
            OutputPayload(content_type="text/plain", set_content_type_if_empty=True),
            "optional text/plain",
        ),
    ],
)
def test_output_descriptions(rule, text):
    assert describe_output(rule) == text
