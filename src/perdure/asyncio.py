"""Waiting for several results, under the official SDK's path."""

from perdure.sdk.combinators import as_completed, gather, select, wait_completed

__all__ = ["as_completed", "gather", "select", "wait_completed"]
