"""What a handler takes and gives, and what a request must look like (service protocol 2.6).

A request is accepted or refused by its content type and by whether it has a body. Bodies are never
parsed here: the JSON schema only tells that a body there must be.

Media types compare without regard to case and parameters, and ``application/json`` takes every type
whose syntax is JSON (``application/cloudevents+json``): both are more than the peer allows.
"""

from __future__ import annotations

from typing import Any, Final

from perdure.protocol.manifest import InputPayload, OutputPayload

_JSON: Final = "application/json"
_ANYTHING: Final = InputPayload(content_type="*/*")


class PayloadError(ValueError):
    """A request's body or content type is not what the handler takes; the message says why."""


def check_input(rule: InputPayload | None, content_type: str | None, *, empty: bool) -> None:
    """Accept a request or say what is wrong with it.

    Args:
        rule: what the handler takes; None takes anything.
        content_type: the request's content type; None when the header is absent.
        empty: whether the body has no bytes.

    Raises:
        PayloadError: the handler does not take this request.
    """
    if rule is None:
        rule = _ANYTHING
    absent = empty and content_type is None
    if rule.content_type is None:
        _check_no_input(rule, content_type, absent=absent)
        return
    if absent and not rule.required:
        return
    if content_type is None:
        raise PayloadError(f"Empty content-type; send a header content-type: {rule.content_type}")
    if not media_type_matches(content_type, rule.content_type):
        raise PayloadError(
            f"Content-type '{content_type}' does not match '{rule.content_type}', "
            "which this handler takes"
        )
    if empty and rule.json_schema is not None:
        raise PayloadError("Empty body not allowed; send a body, or no content-type either")


def _check_no_input(rule: InputPayload, content_type: str | None, *, absent: bool) -> None:
    if rule.required:
        raise PayloadError(
            "Bad configuration of the handler: its input is required but has no content type; "
            "declare one where the handler is defined"
        )
    if not absent:
        given = "no content-type" if content_type is None else f"content-type '{content_type}'"
        raise PayloadError(
            "Expected body and content-type to be empty, because this handler takes no input; "
            f"the request has {given}"
        )


def media_type_matches(given: str, expected: str) -> bool:
    """Tell whether a content type is one that is expected; both may carry parameters."""
    if expected in (given, "*/*"):
        return True
    given_essence = essence(given)
    expected_essence = essence(expected)
    if expected_essence.endswith("/*"):
        return given_essence.startswith(expected_essence[:-1])
    if given_essence == expected_essence:
        return True
    return expected_essence == _JSON and given_essence.endswith("+json")


def essence(media_type: str) -> str:
    """Give a media type without its parameters, in lower case."""
    return media_type.partition(";")[0].strip().lower()


def output_content_type(rule: OutputPayload | None, *, empty: bool) -> str | None:
    """Give the content type of a handler's result; None sends no such header."""
    if rule is None:
        return None if empty else _JSON
    if empty and not rule.set_content_type_if_empty:
        return None
    return rule.content_type


def describe_input(rule: InputPayload | None) -> str:
    """Tell in a word or two what a handler takes, for people."""
    if rule is None:
        return "*/*"
    if rule.content_type is None and rule.required:
        return "<invalid rules>"
    return _describe_schema(rule.json_schema) or rule.content_type or "none"


def describe_output(rule: OutputPayload | None) -> str:
    """Tell in a word or two what a handler gives, for people."""
    if rule is None:
        return _JSON
    if described := _describe_schema(rule.json_schema):
        return described
    if rule.content_type is None:
        return "none"
    return f"optional {rule.content_type}" if rule.set_content_type_if_empty else rule.content_type


def _describe_schema(schema: Any) -> str | None:
    """Name a JSON schema by its title or its type; a schema may also be a bare true or false."""
    if not isinstance(schema, dict):
        return None
    if isinstance(title := schema.get("title"), str):
        return f"JSON '{title}'"
    if isinstance(type_name := schema.get("type"), str):
        return f"JSON {type_name}"
    return None
