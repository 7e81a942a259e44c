"""The context of the handler that runs here, under the official SDK's path."""

from perdure.sdk.context import current_context

__all__ = ["current_context"]
