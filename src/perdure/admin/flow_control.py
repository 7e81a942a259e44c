"""Flow control, which is not here: its operations are there to say so, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from perdure.admin.errors import AdminError
from perdure.admin.operations import Operation

_PATHS: Final = (
    ("PUT", "/limits/rules", "Set rules of flow control, which is not here"),
    ("POST", "/limits/rules/bulk-delete", "Remove rules of flow control, which is not here"),
    ("POST", "/vqueues/{vqueue_id}/pause", "Pause a queue of flow control, which is not here"),
    ("POST", "/vqueues/{vqueue_id}/resume", "Resume a queue of flow control, which is not here"),
)


def flow_control_operations() -> Iterator[Operation]:
    """Give the operations of flow control; all of them refuse."""
    for method, path, summary in _PATHS:
        yield Operation(method=method, path=path, endpoint=_refuse, summary=summary, answers={})


async def _refuse(_request: Request) -> Response:
    raise AdminError(
        # Not 409, which clients take for a rule that was changed meanwhile.
        HTTPStatus.BAD_REQUEST,
        "this server has no flow control: there are no rules and no virtual queues; let work queue "
        "up behind the key of a virtual object instead, or pause invocations",
    )
