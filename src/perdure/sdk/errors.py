"""Errors of the SDK, as a tree by who is to blame.

```text
PerdureError
├── TerminalError         the handler: it has failed for good, do not retry
├── RetryableError        the handler: not now, try again later
├── DefinitionError       the author: a service or handler is declared wrongly
├── ContextMisuseError    the author: a context is used where it must not be
├── SerdeError            the data: it is not what the type hint says
├── HttpError             the peer: the server refused a request of the client
└── ConnectError          the way: the server was not reached, or not to the end

SdkInternalBaseException  nobody: control flow of the SDK, never to be caught
├── SuspendedException
└── SdkInternalException
```
"""

from __future__ import annotations

from asyncio import CancelledError
from datetime import timedelta
from typing import Final

from typing_extensions import TypeIs

from perdure.sdk.durations import milliseconds

_ADVICE: Final = (
    "The SDK ends attempts with this exception: let it pass. Write `except TerminalError:` "
    "(or `except Exception:`) in handlers, never a bare `except:` or `except BaseException:`."
)


class PerdureError(Exception):
    """Root of the SDK's errors."""


class TerminalError(PerdureError):
    """A failure for good: the invocation ends with it, nothing is retried, the caller is told.

    Args:
        message: What the caller reads.
        status_code: HTTP status with which the ingress answers.
        metadata: Details for the caller, by name.
    """

    # Also for classes of an author's own, dataclasses above all, that leave out this constructor.
    status_code: int = 500
    metadata: dict[str, str] | None = None

    def __init__(
        self, message: str, status_code: int = 500, metadata: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.metadata = metadata


class RetryableError(PerdureError):
    """A failure of this attempt alone: the server tries again.

    Args:
        message: What operators read.
        status_code: Code of the failure, as shown to operators.
        retry_after: When to try again; by the retry policy if absent.

    Raises:
        TypeError: ``retry_after`` is no duration.
        ValueError: it is negative.
    """

    status_code: int = 500
    retry_after: timedelta | None = None

    def __init__(
        self, message: str, status_code: int = 500, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        if retry_after is not None and milliseconds(retry_after) < 0:
            raise ValueError(
                "retry_after must not be negative: leave it out to retry by the policy"
            )
        self.status_code = status_code
        self.retry_after = retry_after


class DefinitionError(PerdureError, ValueError):
    """A service, handler or option is declared in a way that cannot work."""


class ContextMisuseError(PerdureError, RuntimeError):
    """A context is used where it must not be: inside ``run``, elsewhere, or after the end."""


class SerdeError(PerdureError, ValueError):
    """Bytes do not hold what the type hint says, or a value has no form in bytes.

    The message names the field and what is expected there; it does not repeat the data.
    """


class HttpError(PerdureError):
    """The server answered a request of the client with an error.

    Args:
        status_code: HTTP status of the answer.
        message: The failure's message, or the status in words.
        body: The answer's body as text.
    """

    def __init__(self, status_code: int, message: str, body: str | None = None) -> None:
        super().__init__(f"HTTP {status_code}: {message}")
        self.status_code = status_code
        self.message = message
        self.body = body

    def __reduce__(self) -> tuple[type[HttpError], tuple[int, str, str | None]]:
        # Errors travel between processes, and by default with the text alone.
        return type(self), (self.status_code, self.message, self.body)


class ConnectError(PerdureError):
    """The server was not reached, or the connection broke before it answered.

    It may have taken the request all the same: send it again with the same idempotency key.
    """


class SdkInternalBaseException(CancelledError):  # noqa: N818 - the official SDK's name
    """Control flow of the SDK, not an error: it ends an attempt and must not be caught.

    Cleanup that has to tell it from errors asks :func:`is_internal_exception`. To asyncio it is the
    cancellation of a task, which is what it comes to: it takes the tasks of the handler along.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} {_ADVICE}")


class SuspendedException(SdkInternalBaseException):
    """The attempt ends here because all it can do is wait; a later attempt goes on."""

    def __init__(self) -> None:
        super().__init__("The invocation is suspended until what it waits for has happened.")


class SdkInternalException(SdkInternalBaseException):
    """The attempt ends here because it failed; the server will retry it."""

    def __init__(self) -> None:
        super().__init__("The attempt has failed and will be retried.")


def is_internal_exception(exception: object) -> TypeIs[SdkInternalBaseException]:
    """Tell whether an exception is control flow of the SDK, to be raised again at once.

    A group of nothing else, which ``asyncio.TaskGroup`` makes before Python 3.13, is so, too.
    """
    if isinstance(exception, BaseExceptionGroup):
        return all(map(is_internal_exception, exception.exceptions))
    return isinstance(exception, SdkInternalBaseException)
