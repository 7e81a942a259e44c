"""The SDK's half of an attempt as one pure state machine: messages in, messages out."""

from perdure.sdk.machine.syscalls import Machine

__all__ = ["Machine"]
