"""For libraries that work within handlers, under the official SDK's path."""

from perdure.sdk.context import current_context
from perdure.sdk.context_managers import contextvar

__all__ = ["contextvar", "current_context"]
