"""What does not belong elsewhere, under the official SDK's path."""

from perdure.testing.environment import HarnessEnvironment

__all__ = ["HarnessEnvironment"]
