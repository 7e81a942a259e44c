"""Errors, under the official SDK's path."""

from perdure.sdk.errors import (
    ConnectError,
    ContextMisuseError,
    DefinitionError,
    HttpError,
    PerdureError,
    RetryableError,
    SdkInternalBaseException,
    SdkInternalException,
    SerdeError,
    SuspendedException,
    TerminalError,
    is_internal_exception,
)

__all__ = [
    "ConnectError",
    "ContextMisuseError",
    "DefinitionError",
    "HttpError",
    "PerdureError",
    "RetryableError",
    "SdkInternalBaseException",
    "SdkInternalException",
    "SerdeError",
    "SuspendedException",
    "TerminalError",
    "is_internal_exception",
]
