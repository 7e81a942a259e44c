"""Durable execution: ordinary async functions whose progress survives crashes and long waits.

Everything that services and their callers need is here, by the names of the official SDK. The
server is not: what needs it is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from perdure.asyncio import as_completed, gather, select, wait_completed
    from perdure.client import create_client
    from perdure.client_types import (
        HttpError,
        InvocationOutput,
        RestateClient,
        RestateClientSendHandle,
        RestateScopedClient,
    )
    from perdure.context import (
        Context,
        DurablePromise,
        ObjectContext,
        ObjectSharedContext,
        RestateDurableCallFuture,
        RestateDurableFuture,
        RestateDurableSleepFuture,
        RunOptions,
        ScopedContext,
        SendHandle,
        WorkflowContext,
        WorkflowSharedContext,
    )
    from perdure.endpoint import App, app
    from perdure.entry_codec import JournalValueCodec, JournalValueCodecProvider
    from perdure.exceptions import (
        ConnectError,
        ContextMisuseError,
        DefinitionError,
        PerdureError,
        RetryableError,
        SdkInternalBaseException,
        SerdeError,
        TerminalError,
        is_internal_exception,
    )
    from perdure.harness import create_test_harness as create_test_harness
    from perdure.harness import test_harness as test_harness
    from perdure.logging import RestateLoggingFilter, getLogger
    from perdure.object import VirtualObject
    from perdure.retry_policy import InvocationRetryPolicy
    from perdure.serde import BytesSerde, DefaultSerde, JsonSerde, Serde
    from perdure.server.embedded import embedded as embedded
    from perdure.service import Service
    from perdure.types import HarnessEnvironment
    from perdure.workflow import Workflow


__all__ = [
    "App",
    "BytesSerde",
    "ConnectError",
    "Context",
    "ContextMisuseError",
    "DefaultSerde",
    "DefinitionError",
    "DurablePromise",
    "HarnessEnvironment",
    "HttpError",
    "InvocationOutput",
    "InvocationRetryPolicy",
    "JournalValueCodec",
    "JournalValueCodecProvider",
    "JsonSerde",
    "ObjectContext",
    "ObjectSharedContext",
    "PerdureError",
    "RestateClient",
    "RestateClientSendHandle",
    "RestateDurableCallFuture",
    "RestateDurableFuture",
    "RestateDurableSleepFuture",
    "RestateLoggingFilter",
    "RestateScopedClient",
    "RetryableError",
    "RunOptions",
    "ScopedContext",
    "SdkInternalBaseException",
    "SendHandle",
    "Serde",
    "SerdeError",
    "Service",
    "TerminalError",
    "VirtualObject",
    "Workflow",
    "WorkflowContext",
    "WorkflowSharedContext",
    "app",
    "as_completed",
    "create_client",
    "gather",
    "getLogger",
    "is_internal_exception",
    "logging",
    "select",
    "wait_completed",
]

#: Where to find what is exported. It is loaded when it is first asked for, so that the command line
#: answers at once; what is found is kept.
_HOMES: Final = {
    "as_completed": "perdure.asyncio",
    "gather": "perdure.asyncio",
    "select": "perdure.asyncio",
    "wait_completed": "perdure.asyncio",
    "create_client": "perdure.client",
    "HttpError": "perdure.client_types",
    "InvocationOutput": "perdure.client_types",
    "RestateClient": "perdure.client_types",
    "RestateClientSendHandle": "perdure.client_types",
    "RestateScopedClient": "perdure.client_types",
    "Context": "perdure.context",
    "DurablePromise": "perdure.context",
    "ObjectContext": "perdure.context",
    "ObjectSharedContext": "perdure.context",
    "RestateDurableCallFuture": "perdure.context",
    "RestateDurableFuture": "perdure.context",
    "RestateDurableSleepFuture": "perdure.context",
    "RunOptions": "perdure.context",
    "ScopedContext": "perdure.context",
    "SendHandle": "perdure.context",
    "WorkflowContext": "perdure.context",
    "WorkflowSharedContext": "perdure.context",
    "App": "perdure.endpoint",
    "app": "perdure.endpoint",
    "JournalValueCodec": "perdure.entry_codec",
    "JournalValueCodecProvider": "perdure.entry_codec",
    "ConnectError": "perdure.exceptions",
    "ContextMisuseError": "perdure.exceptions",
    "DefinitionError": "perdure.exceptions",
    "PerdureError": "perdure.exceptions",
    "RetryableError": "perdure.exceptions",
    "SdkInternalBaseException": "perdure.exceptions",
    "SerdeError": "perdure.exceptions",
    "TerminalError": "perdure.exceptions",
    "is_internal_exception": "perdure.exceptions",
    "RestateLoggingFilter": "perdure.logging",
    "getLogger": "perdure.logging",
    "VirtualObject": "perdure.object",
    "InvocationRetryPolicy": "perdure.retry_policy",
    "BytesSerde": "perdure.serde",
    "DefaultSerde": "perdure.serde",
    "JsonSerde": "perdure.serde",
    "Serde": "perdure.serde",
    "Service": "perdure.service",
    "HarnessEnvironment": "perdure.types",
    "Workflow": "perdure.workflow",
}

#: Modules that ``import perdure`` alone gives.
_MODULES: Final = frozenset({*_HOMES.values(), "perdure.logging"})

#: Where to find what needs the server. Not in ``__all__``: ``from perdure import *`` must not
#: load it.
_IN_THE_SERVER: Final = {
    "create_test_harness": "perdure.harness",
    "embedded": "perdure.server.embedded",
    "test_harness": "perdure.harness",
}

_OF_A_CLOUD: Final = (
    "it calls Restate Cloud; serve the application instead: with `perdure dev module:app`, or with "
    "`perdure serve module:app` for a server elsewhere"
)

#: What the official SDK has and this one does not, and what to do instead.
_ELSEWHERE: Final = {
    "connect": _OF_A_CLOUD,
    "with_connection": _OF_A_CLOUD,
}


def __getattr__(name: str) -> Any:
    """Load what needs the server, and tell what there is not."""
    if name in _ELSEWHERE:
        # Of an AttributeError, `from perdure import ...` would tell no more than the name.
        raise ImportError(f"perdure has no {name!r}: {_ELSEWHERE[name]}")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if f"perdure.{name}" in _MODULES:
        return importlib.import_module(f"perdure.{name}")
    if name not in _IN_THE_SERVER:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    try:
        module = importlib.import_module(_IN_THE_SERVER[name])
    except ModuleNotFoundError as error:
        raise ImportError(
            f'perdure.{name} needs the server: pip install "perdure[server]"'
        ) from error
    return getattr(module, name)
