"""Texts that a handler gives: names, keys, messages."""

from __future__ import annotations

from perdure.sdk.errors import ContextMisuseError


def check_text(what: str, value: object) -> None:
    """Refuse what is no text.

    Args:
        what: What it is, as the error shall begin.
        value: What was given for it.

    Raises:
        ContextMisuseError: it is something else.
    """
    if not isinstance(value, str):
        raise ContextMisuseError(f"{what} is a string, not {type(value).__name__}: write str(...)")


def valid(text: str) -> str:
    """Give a text as valid Unicode: halves of pairs, which nothing can store, are spelled out."""
    return text.encode(errors="backslashreplace").decode()
