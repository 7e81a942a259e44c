"""What can go wrong between a handler, its journal and the server.

Each error ends the attempt: the machine tells the server its code and message, and the command it
is about. By who is to blame: the handler's code (570), the server (571), the age of the server
(573).
"""

from __future__ import annotations

from dataclasses import dataclass

from perdure.protocol.messages import Command


@dataclass(frozen=True, slots=True)
class CommandReference:
    """A command of the journal: its place among the commands (Input = 0), its name and type."""

    index: int
    name: str
    type: int

    @classmethod
    def of(cls, index: int, command: Command) -> CommandReference:
        """Refer to a command."""
        tag = type(command).__struct_config__.tag
        assert isinstance(tag, int)
        return cls(index, command.name, tag)


class MachineError(Exception):
    """The attempt cannot go on; the server is told and tries again."""

    code = 500

    def __init__(self, message: str, related: CommandReference | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.related = related


class JournalMismatchError(MachineError):
    """The handler did something else than the journal says it did in an earlier attempt."""

    code = 570


class ProtocolViolationError(MachineError):
    """The server sent what it must not send in this state."""

    code = 571


class UnsupportedFeatureError(MachineError):
    """The handler uses what the negotiated protocol version does not have."""

    code = 573

    def __init__(self, feature: str, needed: int, negotiated: int) -> None:
        super().__init__(
            f"{feature} needs version {needed} of the service protocol, and this invocation runs "
            f"with version {negotiated}: upgrade the server, or do without"
        )
