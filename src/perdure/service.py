"""Services, under the official SDK's path."""

from perdure.sdk.services import Service

__all__ = ["Service"]
