"""The context of the handler that runs here, under the official SDK's path."""

from typing import Final

from perdure.sdk.context import current_context
from perdure.sdk.extension_data import (
    clear_extension_data,
    get_extension_data,
    set_extension_data,
)
from perdure.sdk.replay_state import ReplayingVariable

restate_context_is_replaying: Final = ReplayingVariable()

__all__ = [
    "clear_extension_data",
    "current_context",
    "get_extension_data",
    "restate_context_is_replaying",
    "set_extension_data",
]
