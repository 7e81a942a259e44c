"""Workflows, under the official SDK's path."""

from perdure.sdk.services import Workflow

__all__ = ["Workflow"]
