"""Where an attempt runs: handlers learn it, so that the books can tell what was to be expected."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar


class Place:
    """One attempt as the side that runs the handler has it.

    Args:
        deployment: name of the deployment.
        superseded: tells whether the server is none any more.
        remote: whether the handler runs in a process of its own, which outlives the server's.
    """

    def __init__(
        self, deployment: str, superseded: Callable[[], bool], *, remote: bool = False
    ) -> None:
        self.deployment = deployment
        self.remote = remote
        #: Whether the stream to the server is broken.
        self.cut = False
        self._superseded = superseded

    @property
    def given_up(self) -> bool:
        """Whether what is under way here may be done again elsewhere."""
        return self.cut or self._superseded()


#: The attempt that the running handler belongs to.
HERE: ContextVar[Place] = ContextVar("HERE")
