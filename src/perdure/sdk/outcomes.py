"""What handlers, steps and promises come to, in the types that the protocol carries.

In the same process nothing but this stands between what an author gives by mistake and the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from perdure.protocol.messages import Failure, Value
from perdure.sdk.durations import milliseconds
from perdure.sdk.errors import ContextMisuseError, RetryableError, SerdeError, TerminalError
from perdure.sdk.texts import check_text, valid

#: Codes are like those of HTTP, and servers take for 500 what has more than 16 bits.
_CODE_MAX: Final = 65535


def written(serialize: Callable[[Any], bytes], value: Any) -> bytes:
    """Write a value with a serde, which may be an author's own.

    Raises:
        SerdeError: what it gives is no bytes.
        Exception: the serde cannot write the value.
    """
    content: Any = serialize(value)
    if type(content) is bytes:
        return content
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    serde = type(getattr(serialize, "__self__", serialize)).__name__
    raise SerdeError(
        f"{serde} gave {type(content).__name__} where bytes are expected: encode the text"
    )


def value_of(serialize: Callable[[Any], bytes], value: Any) -> Value:
    """Give a value as it is stored.

    Raises:
        SerdeError: the serde gives no bytes.
        Exception: the serde cannot write the value.
    """
    return Value(written(serialize, value))


def failure_of(error: TerminalError) -> Failure:
    """Give a final failure as it is stored.

    Raises:
        ContextMisuseError: its message, code or metadata is of the wrong type or out of range.
    """
    metadata: Any = error.metadata or {}
    texts = [*metadata, *metadata.values()] if isinstance(metadata, dict) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise ContextMisuseError("The metadata of a failure is a dict of strings to strings")
    pairs = tuple((valid(name), valid(text)) for name, text in metadata.items())
    return failure(error.status_code, message_of(error), pairs)


def failure(code: int, message: str, metadata: tuple[tuple[str, str], ...] = ()) -> Failure:
    """Give a failure as it is stored; what is no valid Unicode in its message is spelled out.

    Raises:
        ContextMisuseError: something is of the wrong type or out of range.
    """
    check_text("The message of a failure", message)
    if not isinstance(code, int):
        raise ContextMisuseError(
            f"The code of a failure is a number such as 404, not {type(code).__name__}"
        )
    if not 0 <= code <= _CODE_MAX:
        raise ContextMisuseError(
            f"The code of a failure is a number such as 404, up to {_CODE_MAX}, not {code}"
        )
    return Failure(code, valid(message), metadata)


def message_of(error: TerminalError | RetryableError) -> str:
    """Give the message of an error; its text, if an author's own class leaves out the base's."""
    try:
        return error.message
    except AttributeError:
        return str(error) or repr(error)


def causes_of(error: BaseException, above: Iterable[int] = ()) -> Iterator[BaseException]:
    """Give an error and what it was raised from, each once, since it may lead back to itself.

    Args:
        error: The error.
        above: Ids of errors that were given before.
    """
    seen = set(above)
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def terminal_of(error: BaseException, above: Sequence[int] = ()) -> TerminalError | None:
    """Find the final failure in an error: itself, what it was raised from, or all of a group.

    Args:
        error: The error.
        above: Ids of the errors that have led here.
    """
    led = list(above)
    for cause in causes_of(error, above):
        led.append(id(cause))
        if isinstance(cause, TerminalError):
            return cause
        if isinstance(cause, RetryableError):
            return None
        if isinstance(cause, BaseExceptionGroup):
            found = [terminal_of(each, led) for each in cause.exceptions]
            return found[0] if all(found) else None
    return None


def retry_after_ms(error: RetryableError) -> int | None:
    """Give the delay that an error asks for; None leaves it to the policy."""
    asked = error.retry_after
    return max(0, milliseconds(asked)) if isinstance(asked, timedelta) else None
