"""Virtual objects, under the official SDK's path."""

from perdure.sdk.services import VirtualObject

__all__ = ["VirtualObject"]
