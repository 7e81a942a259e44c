"""Requests that register deployments: what is read from them, and what is refused."""

from __future__ import annotations

import pytest

from perdure.admin.deployments import check_headers, check_uri
from perdure.admin.errors import AdminError


@pytest.mark.parametrize(
    ("uri", "checked"),
    [
        ("http://h:1", "http://h:1/"),
        ("HTTP://h:1/", "http://h:1/"),
        ("http://h?k=v", "http://h/?k=v"),
        ("https://h/a/b/", "https://h/a/b/"),
    ],
)
def test_an_address_has_a_path(uri, checked):
    assert check_uri(uri) == checked


@pytest.mark.parametrize("uri", ["127.0.0.1:9080", "localhost:9080", "http://", "", "a b://h/"])
def test_only_absolute_addresses_are_taken(uri):
    with pytest.raises(AdminError, match="only absolute URIs can be used") as refused:
        check_uri(uri)
    assert refused.value.status == 400


def test_headers_have_lower_case_names():
    assert check_headers({"X-Api-Key": "k"}) == {"x-api-key": "k"}


@pytest.mark.parametrize(
    "headers",
    [{"a b": "c"}, {"": "c"}, {"a": "b\r\nc: d"}, {"a": "\u20ac"}, {"Host": "h"}, {":path": "/"}],
)
def test_headers_that_cannot_be_sent_are_refused(headers):
    with pytest.raises(AdminError) as refused:
        check_headers(headers)
    assert refused.value.status == 422
