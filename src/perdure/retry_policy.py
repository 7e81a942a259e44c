"""Retry policies, under the official SDK's path."""

from perdure.sdk.options import InvocationRetryPolicy

__all__ = ["InvocationRetryPolicy"]
