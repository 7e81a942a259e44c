"""Where server and SDK meet when both live in one process.

The server opens a session for each attempt and hands messages over as values; the SDK answers with
messages through the sink. The same messages, in the same order, as on the network: only the frames
are missing. Neither side imports the other; both import this module.

Threading: everything here happens on the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from perdure.protocol.manifest import Manifest
from perdure.protocol.messages import Message

#: Takes what the SDK has to say. Called only from a callback of the event loop or from within
#: ``Session.receive``/``close_input``; never after a terminal message or ``Session.abort``.
Sink = Callable[[Sequence[Message]], None]


class Session(Protocol):
    """The SDK's half of one attempt."""

    def receive(self, messages: Sequence[Message]) -> None:
        """Take messages from the server, in order.

        The first call begins with ``Start`` and holds the whole known journal. User code runs
        inside this call until it can go no further, so the answer may reach the sink before
        this returns.
        """

    def close_input(self) -> None:
        """Learn that nothing more will come: suspend as soon as nothing else can progress."""

    def abort(self) -> None:
        """End the attempt at once: cancel the handler and say nothing more."""


class ServiceHost(Protocol):
    """The services of one application, ready to run attempts."""

    def manifest(self) -> Manifest:
        """Say what is served here: the same document as discovery over the network."""

    def open(self, service: str, handler: str, protocol_version: int, sink: Sink) -> Session:
        """Begin an attempt.

        Raises:
            LookupError: this application has no such service or handler.
        """
