import importlib
import inspect
import subprocess
import sys

import pytest

import perdure

#: The names at the top of the official SDK for Python, version 1.3.0.
OFFICIAL = {
    "ConnectError",
    "Context",
    "DurablePromise",
    "HarnessEnvironment",
    "HttpError",
    "InvocationRetryPolicy",
    "JournalValueCodec",
    "JournalValueCodecProvider",
    "ObjectContext",
    "ObjectSharedContext",
    "RestateClient",
    "RestateClientSendHandle",
    "RestateDurableCallFuture",
    "RestateDurableFuture",
    "RestateDurableSleepFuture",
    "RestateLoggingFilter",
    "RunOptions",
    "ScopedContext",
    "SdkInternalBaseException",
    "SendHandle",
    "Service",
    "TerminalError",
    "VirtualObject",
    "Workflow",
    "WorkflowContext",
    "WorkflowSharedContext",
    "app",
    "as_completed",
    "connect",
    "create_client",
    "create_test_harness",
    "gather",
    "getLogger",
    "is_internal_exception",
    "logging",
    "select",
    "test_harness",
    "wait_completed",
    "with_connection",
}

#: What there is not: a service of its vendor's.
ABSENT = {"connect", "with_connection"}

#: What is there, but not to be loaded by ``from perdure import *``.
IN_THE_SERVER = {"create_test_harness", "test_harness"}

#: What there is besides.
OWN = {
    "App",
    "BytesSerde",
    "ContextMisuseError",
    "DefaultSerde",
    "DefinitionError",
    "InvocationOutput",
    "JsonSerde",
    "PerdureError",
    "RestateScopedClient",
    "RetryableError",
    "Serde",
    "SerdeError",
}

#: Modules of the official SDK that programs import from, and what they find there.
PATHS = {
    "asyncio": {"as_completed", "gather", "select", "wait_completed"},
    "client": {"create_client"},
    "client_types": {"HttpError", "RestateClient", "RestateClientSendHandle"},
    "context": {
        "Context",
        "DefaultSerde",
        "DurablePromise",
        "HandlerType",
        "KeyValueStore",
        "ObjectContext",
        "ObjectSharedContext",
        "Request",
        "RestateDurableCallFuture",
        "RestateDurableFuture",
        "RestateDurableSleepFuture",
        "RunAction",
        "RunOptions",
        "ScopedContext",
        "SendHandle",
        "Serde",
        "WorkflowContext",
        "WorkflowSharedContext",
    },
    "context_managers": {"contextvar"},
    "endpoint": {"Endpoint", "app"},
    "entry_codec": {"JournalValueCodec", "JournalValueCodecProvider"},
    "exceptions": {
        "RetryableError",
        "SdkInternalBaseException",
        "SdkInternalException",
        "SuspendedException",
        "TerminalError",
        "is_internal_exception",
    },
    "extensions": {"contextvar", "current_context"},
    "handler": {"Handler", "handler_from_callable"},
    "harness": {
        "RestateTestHarness",
        "TestConfiguration",
        "create_test_harness",
        "test_harness",
    },
    "logging": {"RestateLoggingFilter", "getLogger"},
    "object": {"VirtualObject"},
    "retry_policy": {"InvocationRetryPolicy"},
    "serde": {"BytesSerde", "DefaultSerde", "JsonSerde", "PydanticJsonSerde", "Serde"},
    "server_context": {
        "clear_extension_data",
        "current_context",
        "get_extension_data",
        "restate_context_is_replaying",
        "set_extension_data",
    },
    "server_types": {
        "Receive",
        "RestateAppT",
        "RestateLambdaHandler",
        "RestateLambdaResponse",
        "Scope",
        "Send",
    },
    "service": {"Service"},
    "types": {"HarnessEnvironment"},
    "workflow": {"Workflow"},
}

#: What takes time to import, or need not be installed, for those who only write services.
HEAVY = (
    "click.",
    "httpx.",
    "pydantic.",
    "rocksdict.",
    "starlette.",
    "uvicorn.",
    "uvloop.",
    "perdure.admin.",
    "perdure.cli.",
    "perdure.core.",
    "perdure.engine.",
    "perdure.ingress.",
    "perdure.server.",
    "perdure.storage.",
    "perdure.transport.",
)


def test_the_names_are_the_official_ones_and_some_more():
    assert set(perdure.__all__) == (OFFICIAL - ABSENT - IN_THE_SERVER) | OWN


@pytest.mark.parametrize("name", sorted({*perdure.__all__, *IN_THE_SERVER}))
def test_every_name_is_there(name: str):
    assert getattr(perdure, name) is not None


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_what_is_not_there_says_so(name: str):
    with pytest.raises(ImportError, match=rf"perdure has no '{name}': .* `perdure dev"):
        getattr(perdure, name)


def test_what_is_not_there_says_so_to_imports_as_well():
    with pytest.raises(ImportError, match="calls Restate Cloud; serve the application instead"):
        from perdure import connect  # noqa: F401
    with pytest.raises(AttributeError, match="module 'perdure' has no attribute 'conect'"):
        _ = perdure.conect


@pytest.mark.parametrize("path", sorted(PATHS))
def test_official_paths_can_be_imported_from(path: str):
    module = importlib.import_module(f"perdure.{path}")
    assert set(module.__all__) >= PATHS[path]
    assert all(hasattr(module, name) for name in module.__all__)


HARNESS = ("app", "follow_logs", "restate_image", "always_replay", "disable_retries")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("app", ("services", "protocol", "identity_keys", "journal_value_codec")),
        ("create_client", ("ingress", "headers", "journal_value_codec")),
        ("create_test_harness", (*HARNESS, "journal_value_codec")),
        ("test_harness", HARNESS),
    ],
)
def test_functions_take_by_position_what_the_official_ones_take(name: str, parameters: tuple):
    signature = inspect.signature(getattr(perdure, name))
    taken = [each for each in signature.parameters.values() if each.kind is not each.KEYWORD_ONLY]
    assert tuple(each.name for each in taken) == parameters


def loaded_by(code: str) -> set[str]:
    """Give the modules that a fresh process has loaded after some code."""
    code += "; import sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    return set(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())


def test_importing_perdure_loads_nothing_heavy():
    loaded = loaded_by("from perdure import *; import perdure; perdure.app")
    assert not [each for each in loaded if f"{each}.".startswith(HEAVY)]
    assert "perdure.sdk.host" in loaded


@pytest.mark.parametrize("name", ["embedded", *sorted(IN_THE_SERVER)])
def test_what_needs_the_server_says_so_without_it(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "perdure.server.embedded", None)
    monkeypatch.setitem(sys.modules, "perdure.harness", None)
    with pytest.raises(ImportError, match=rf'perdure.{name} needs .* "perdure\[server\]"'):
        getattr(perdure, name)
