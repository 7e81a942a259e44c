"""The client, under the official SDK's path."""

from perdure.sdk.client import create_client

__all__ = ["create_client"]
