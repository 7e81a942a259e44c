"""What must not be: the one error that every checker raises."""

from __future__ import annotations


class Violation(AssertionError):  # noqa: N818 - the word of the checkers
    """A promise was broken; ``promise`` names which, the same in every run that breaks it."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise
        self.what = what
