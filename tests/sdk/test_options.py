from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from perdure.sdk.errors import DefinitionError
from perdure.sdk.options import (
    InvocationRetryPolicy,
    KeyedHandlerOptions,
    MainOptions,
    Options,
    parse_options,
)
from perdure.sdk.serde import BytesSerde

KNOWN = KeyedHandlerOptions.__optional_keys__ | MainOptions.__optional_keys__


@asynccontextmanager
async def manager():
    yield


def parse(**given: Any) -> Options:
    return parse_options("handler 'f'", given, KNOWN)


def test_options_are_given_back():
    given: dict[str, Any] = {
        "description": "d",
        "metadata": {"a": "b"},
        "inactivity_timeout": timedelta(seconds=1),
        "abort_timeout": timedelta(0),
        "journal_retention": timedelta(days=1),
        "idempotency_retention": timedelta(days=2),
        "workflow_retention": timedelta(days=3),
        "enable_lazy_state": True,
        "ingress_private": False,
        "invocation_retry_policy": InvocationRetryPolicy(max_attempts=3),
        "accept": "*/*",
        "content_type": "text/plain",
        "input_serde": BytesSerde(),
        "output_serde": BytesSerde(),
    }
    assert parse(**given) == Options(**given)


def test_none_means_not_given():
    assert parse(metadata=None, accept=None, state_preload=None, enable_lazy_state=False) == (
        Options(enable_lazy_state=False)
    )


def test_context_managers_keep_their_order():
    assert parse(invocation_context_managers=[manager, print]).invocation_context_managers == (
        manager,
        print,
    )


@pytest.mark.parametrize(
    ("preload", "lazy"), [(True, False), (False, True), (["key"], True), ([], True)]
)
def test_what_is_not_preloaded_is_lazy(preload: Any, lazy: bool):
    assert parse(state_preload=preload).enable_lazy_state is lazy


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inactivity_timeout": 5}, r"inactivity_timeout must be a timedelta, not int: write tim"),
        ({"abort_timeout": timedelta(seconds=-1)}, "abort_timeout must not be negative"),
        ({"ingress_private": 1}, "ingress_private must be of type bool, not int"),
        ({"accept": b"a/b"}, "accept must be of type str, not bytes"),
        ({"metadata": {"a": 1}}, "metadata must be a dict of strings to strings"),
        ({"metadata": ["a"]}, "metadata must be a dict of strings to strings"),
        ({"invocation_retry_policy": {}}, "must be of type InvocationRetryPolicy, not dict"),
        ({"input_serde": BytesSerde}, r"not its class: write BytesSerde\(\)"),
        ({"output_serde": "json"}, "output_serde must be a Serde, not str"),
        ({"invocation_context_managers": [manager()]}, "takes functions that make"),
        ({"state_preload": "key"}, "True, False or a list of keys, not str"),
        ({"state_preload": True, "enable_lazy_state": True}, "give state_preload alone"),
        ({"inactivity_timout": None}, "there is no option 'inactivity_timout'; there are abort_"),
    ],
)
def test_wrong_options_are_named(given: dict[str, Any], message: str):
    with pytest.raises(DefinitionError, match=f"^handler 'f': .*{message}"):
        parse(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"initial_interval": 1}, "initial_interval must be a timedelta"),
        ({"max_interval": timedelta(-1)}, "max_interval must not be negative"),
        ({"exponentiation_factor": "2"}, "must be of type int or float, not str"),
        ({"exponentiation_factor": 0.5}, "at least 1"),
        ({"exponentiation_factor": float("nan")}, "at least 1"),
        ({"max_attempts": True}, "must be of type int, not bool"),
        ({"max_attempts": 0}, "must be at least 1"),
        ({"on_max_attempts": "PAUSE"}, "must be 'pause' or 'kill', not 'PAUSE'"),
    ],
)
def test_wrong_retry_policies_are_named(given: dict[str, Any], message: str):
    with pytest.raises(DefinitionError, match=f"^InvocationRetryPolicy: .*{message}"):
        InvocationRetryPolicy(**given)
