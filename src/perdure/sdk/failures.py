"""What the server is told of an error that it may retry.

Errors are of all kinds: with a text that cannot be made, with a code that is no number. Whatever
one is like, its attempt must end with a word about it.
"""

from __future__ import annotations

import traceback
from typing import Final

from msgspec import Struct

from perdure.sdk.errors import RetryableError
from perdure.sdk.outcomes import causes_of, failure, message_of, retry_after_ms
from perdure.sdk.texts import valid

_RETRYABLE_CODE: Final = 500
_NOT_SHARED: Final = (
    "Locks, events, queues and semaphores of asyncio belong to one invocation: each has an event "
    "loop of its own, and who waited for whom would be forgotten with the process. To take turns, "
    "call a virtual object, which runs one invocation a key; to signal, use a durable promise or "
    "an awakeable; to limit what ctx.run does, use the lock inside of its action"
)


class Told(Struct, frozen=True, gc=False):
    """An error in the words of the protocol."""

    code: int
    message: str
    stacktrace: str
    retry_after_ms: int | None = None


def retryable_of(error: BaseException) -> RetryableError | None:
    """Find what says when to retry: an error itself, or what it was raised from."""
    for cause in causes_of(error):
        if isinstance(cause, RetryableError):
            return cause
    return None


def told(error: BaseException, asking: RetryableError | None) -> Told:
    """Put an error into words.

    Args:
        error: The error.
        asking: What of it says when to retry, if anything does.
    """
    stacktrace = valid("".join(traceback.format_exception(error)))
    if asking is None:
        return Told(_RETRYABLE_CODE, _explained(error), stacktrace)
    try:
        said = failure(asking.status_code, message_of(asking))
        return Told(said.code, said.message, stacktrace, retry_after_ms(asking))
    except Exception as misuse:  # noqa: BLE001 - an author's own class may lack anything
        return Told(_RETRYABLE_CODE, _shown(misuse), stacktrace)


def _explained(error: BaseException) -> str:
    """Describe an error; what asyncio says about a shared lock would help nobody."""
    text = _shown(error)
    return f"{text}. {_NOT_SHARED}" if "bound to a different event loop" in text else text


def _shown(error: BaseException) -> str:
    try:
        return valid(repr(error))
    except Exception as failed:  # noqa: BLE001 - an author's code, of the error or what it holds
        return f"{type(error).__name__}, which cannot be shown: {type(failed).__name__}"
