"""Durable execution: ordinary async functions whose progress survives crashes and long waits.

Everything that services and their callers need is here, by the names of the official SDK. The
server is not: what needs it is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

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
from perdure.logging import RestateLoggingFilter, getLogger
from perdure.object import VirtualObject
from perdure.retry_policy import InvocationRetryPolicy
from perdure.serde import BytesSerde, DefaultSerde, JsonSerde, Serde
from perdure.service import Service
from perdure.workflow import Workflow

if TYPE_CHECKING:
    from perdure.server.embedded import embedded as embedded

__all__ = [
    "App",
    "BytesSerde",
    "ConnectError",
    "Context",
    "ContextMisuseError",
    "DefaultSerde",
    "DefinitionError",
    "DurablePromise",
    "HttpError",
    "InvocationOutput",
    "InvocationRetryPolicy",
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

#: Where to find what needs the server. Not in ``__all__``: ``from perdure import *`` must not
#: load it.
_IN_THE_SERVER: Final = {"embedded": "perdure.server.embedded"}

#: What the official SDK has and this one does not, and what to do instead.
_ELSEWHERE: Final = {
    "connect": "it is for Restate Cloud alone; serve the application instead",
    "with_connection": "it is for Restate Cloud alone; serve the application instead",
    "JournalValueCodec": "give a Serde of your own that encrypts or compresses",
    "JournalValueCodecProvider": "give a Serde of your own that encrypts or compresses",
}


def __getattr__(name: str) -> Any:
    """Load what needs the server, and tell what there is not."""
    if name in _ELSEWHERE:
        raise AttributeError(f"perdure has no {name!r}: {_ELSEWHERE[name]}")
    if name not in _IN_THE_SERVER:
        raise AttributeError(f"module 'perdure' has no attribute {name!r}")
    try:
        module = importlib.import_module(_IN_THE_SERVER[name])
    except ModuleNotFoundError as error:
        raise ImportError(
            f'perdure.{name} needs the server: pip install "perdure[server]"'
        ) from error
    return getattr(module, name)
