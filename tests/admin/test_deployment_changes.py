"""Requests that register deployments: what is read from them, and what is refused."""

from __future__ import annotations

import pytest
from admin_support import Server

from perdure.admin.deployments import check_headers, check_uri
from perdure.admin.errors import AdminError


@pytest.mark.parametrize(
    ("uri", "checked"),
    [
        ("http://h:1", "http://h:1/"),
        ("HTTP://h:1/", "http://h:1/"),
        ("http://h?k=v", "http://h/?k=v"),
        ("https://h/a/b/", "https://h/a/b/"),
        ("http://h#part", "http://h/"),
        ("http://h/a?k=v#part?x", "http://h/a?k=v"),
    ],
)
def test_an_address_has_a_path(uri, checked):
    assert check_uri(uri) == checked


@pytest.mark.parametrize("uri", ["127.0.0.1:9080", "localhost:9080", "http://", "", "a b://h/"])
def test_only_absolute_addresses_are_taken(uri):
    with pytest.raises(AdminError, match="only absolute URIs can be used") as refused:
        check_uri(uri)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "uri",
    [
        "http://h:1/a b",
        "http://h:1\t/",
        "http://h:1/\r\nx: y",
        "http://h/\u00fc",
        "http://b\u00fccher.example",
        "http://\u24dbocalhost",  # which names stand for as well, once they are looked up
        "http://h/\x00",
    ],
)
def test_an_address_is_written_in_ascii(uri):
    with pytest.raises(AdminError, match="white space or letters beyond ASCII") as refused:
        check_uri(uri)
    assert refused.value.status == 400


def test_headers_have_lower_case_names():
    assert check_headers({"X-Api-Key": "k"}) == {"x-api-key": "k"}


def test_white_space_around_the_value_of_a_header_is_not_sent():
    """Node.js drops a header that has it, and Python's h2 refuses the request."""
    headers = {"a": " k", "b": "k\t ", "c": "k l", "d": " "}
    assert check_headers(headers) == {"a": "k", "b": "k", "c": "k l", "d": ""}


@pytest.mark.parametrize(
    "headers",
    [
        *(
            {"a b": "c"},
            {"": "c"},
            {"a": "b\r\nc: d"},
            {"a": "b\n"},
            {"a": "\u20ac"},
            {":path": "/"},
        ),
        *({"Host": "h"}, {"Proxy-Connection": "close"}, {"X-Restate-Service-Key": "k"}),
    ],
)
def test_headers_that_cannot_be_sent_are_refused(headers):
    with pytest.raises(AdminError) as refused:
        check_headers(headers)
    assert refused.value.status == 422


def test_every_header_that_cannot_be_sent_is_told():
    with pytest.raises(AdminError) as refused:
        check_headers({"a b": "c", "Fine": "d", "Host": "h"})
    wrong = [field for field, _ in refused.value.fields]
    assert wrong == ["additional_headers.a b", "additional_headers.host"]


def test_every_wrong_field_of_a_registration_is_told():
    body = {
        "uri": "localhost:9080",
        "assume_role_arn": "me",
        "additional_headers": {"Host": "h"},
        "force": "yes",
    }
    response = Server().ask("POST", "/deployments", body, registrar=object())
    assert response.status == 422
    wrong = [each["field"] for each in response.json["fields"]]
    assert wrong == ["uri", "assume_role_arn", "additional_headers.host", "force"]


@pytest.mark.parametrize("nothing", [{}, {"uri": None, "arn": None}])
def test_an_address_that_is_missing_is_told_with_the_rest(nothing):
    body = nothing | {"force": "yes"}
    response = Server().ask("POST", "/deployments", body, registrar=object())
    assert response.status == 422
    assert [each["field"] for each in response.json["fields"]] == ["force", "uri"]
