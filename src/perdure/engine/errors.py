"""Why the engine refuses a request; each error says whether and when to come back."""

from __future__ import annotations


class RefusalError(Exception):
    """The engine did not take a request, and nothing came of it."""

    #: HTTP status that tells a client the same.
    status = 503
    retry_after_s = 1


class OverloadedError(RefusalError):
    """A bound is reached; the same request will be welcome later."""

    status = 429


class UnavailableError(RefusalError):
    """The engine is starting, stopping, or cannot write to its log."""
