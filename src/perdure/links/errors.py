"""What can become of a question besides its answer."""

from __future__ import annotations

from perdure.engine.errors import RefusalError, UnavailableError
from perdure.engine.reception import GOES_ON


class LinkLostError(UnavailableError):
    """The other process is gone: it may have done what it was asked to do, or not."""

    def __init__(self) -> None:
        super().__init__(GOES_ON)


class BrokenAnswerError(RefusalError):
    """The other process could not answer because of a defect; its log says more."""

    status = 500

    def __init__(self, text: str = "internal error; the server's log says more") -> None:
        super().__init__(text)


class LinkError(Exception):
    """What came over a link is not what a process of this server sends."""
