"""Logging, under the official SDK's path."""

from perdure.sdk.logging import RestateLoggingFilter, getLogger

__all__ = ["RestateLoggingFilter", "getLogger"]
