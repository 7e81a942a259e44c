"""Context managers around attempts, under the official SDK's path."""

from perdure.sdk.context_managers import contextvar

__all__ = ["contextvar"]
