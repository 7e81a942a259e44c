from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from perdure.sdk.definitions import ServiceDefinition, handler_from_callable
from perdure.sdk.errors import DefinitionError
from perdure.sdk.options import (
    InvocationRetryPolicy,
    KeyedHandlerOptions,
    MainOptions,
    Options,
    parse_options,
)
from perdure.sdk.serde import BytesSerde
from perdure.sdk.services import Service, VirtualObject, Workflow

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
        ({"invocation_context_managers": manager}, "is a list: write .*, not function"),
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


#: What the official SDK takes by position, in its order: after the name of a service, and after
#: the name (and kind) of a handler.
OF_SERVICES = (
    "inactivity_timeout abort_timeout journal_retention idempotency_retention ingress_private "
    "invocation_retry_policy invocation_context_managers"
)
OF_OBJECTS = (
    "inactivity_timeout abort_timeout journal_retention idempotency_retention enable_lazy_state "
    "state_preload ingress_private invocation_retry_policy invocation_context_managers"
)
PAYLOADS = "accept content_type input_serde output_serde metadata"
VALUES: dict[str, Any] = {
    "accept": "a/b",
    "content_type": "c/d",
    "input_serde": BytesSerde(),
    "output_serde": BytesSerde(),
    "metadata": {"owner": "ada"},
    "inactivity_timeout": timedelta(seconds=1),
    "abort_timeout": timedelta(seconds=2),
    "journal_retention": timedelta(seconds=3),
    "idempotency_retention": timedelta(seconds=4),
    "workflow_retention": timedelta(seconds=5),
    "enable_lazy_state": True,
    "state_preload": None,
    "ingress_private": True,
    "invocation_retry_policy": InvocationRetryPolicy(),
    "invocation_context_managers": [manager],
}


@pytest.mark.parametrize(
    ("take", "names"),
    [
        (lambda *more: Service("S", "text", {}, *more), OF_SERVICES),
        (lambda *more: VirtualObject("S", "text", {}, *more), OF_OBJECTS),
        (lambda *more: Workflow("S", "text", {}, *more), OF_OBJECTS),
        (partial(Service("S").handler, "f"), f"{PAYLOADS} {OF_SERVICES}"),
        (partial(VirtualObject("S").handler, "f", "shared"), f"{PAYLOADS} {OF_OBJECTS}"),
        (partial(Workflow("S").handler, "f"), f"{PAYLOADS} {OF_OBJECTS}"),
        (
            partial(Workflow("S").main, "f"),
            f"{PAYLOADS} {OF_OBJECTS.replace('idempotency_', 'workflow_')}",
        ),
    ],
)
def test_options_may_come_by_position(take: Callable[..., Any], names: str):
    async def handler(ctx: Any) -> None: ...

    made = take(*(VALUES[name] for name in names.split()))
    definition = made if isinstance(made, ServiceDefinition) else made(handler)
    if not isinstance(definition, ServiceDefinition):
        definition = handler_from_callable(definition)
    given = {name: getattr(definition.options, name, None) for name in names.split()}
    wanted = {name: VALUES[name] for name in names.split()}
    assert given == wanted | {"invocation_context_managers": (manager,)}


def test_an_option_comes_once_and_there_are_no_others():
    hour = timedelta(hours=1)
    with pytest.raises(DefinitionError, match=r"'S': inactivity_timeout is given by position and"):
        Service("S", None, None, hour, inactivity_timeout=hour)
    with pytest.raises(DefinitionError, match=r"'S': 8 options are given by position, and .* 7:"):
        Service("S", None, None, *[None] * 8)
    with pytest.raises(DefinitionError, match=r"handler 'f' .*: accept must be of type str"):
        Service("S").handler("f", hour)
