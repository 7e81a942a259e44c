"""Addresses of handlers: a service, its handler, and the key where there is one."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct


class HandlerKind(IntEnum):
    """How invocations of a handler share their service and key."""

    SERVICE = 0
    #: Virtual object, one at a time a key.
    EXCLUSIVE = 1
    #: Virtual object, concurrent and read-only.
    SHARED = 2
    #: A workflow's ``run``: once a key.
    WORKFLOW = 3
    #: Any other handler of a workflow.
    WORKFLOW_SHARED = 4

    #: Whether a target of this kind has a key, and so state.
    keyed: bool
    #: Whether invocations with the same key take turns.
    exclusive: bool
    #: Whether the key stands for one invocation, once and for all.
    once: bool
    #: Whether a handler of this kind may change state.
    writes_state: bool
    #: Whether a handler of this kind may use durable promises.
    has_promises: bool

    def __init__(self, _number: int) -> None:
        name = self._name_
        self.keyed = name != "SERVICE"
        self.exclusive = name == "EXCLUSIVE"
        self.once = name == "WORKFLOW"
        self.writes_state = self.exclusive or self.once
        self.has_promises = name.startswith("WORKFLOW")


class Target(Struct, frozen=True, array_like=True, gc=False):
    """What an invocation runs."""

    service: str
    handler: str
    kind: HandlerKind
    key: str = ""

    def __str__(self) -> str:
        """Write the target as ``Service/key/handler``."""
        middle = f"/{self.key}" if self.kind.keyed else ""
        return f"{self.service}{middle}/{self.handler}"
