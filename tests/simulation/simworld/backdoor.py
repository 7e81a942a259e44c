"""Changes through the admin API itself, as HTTP, where others go to the engine directly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any

import msgspec

from perdure.admin.app import create_admin
from perdure.core.model.deployments import Registry
from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import UnavailableError
from perdure.engine.reception import Reception
from perdure.protocol.ids import InvocationId, invocation_text, parse_invocation_id
from simworld.door import REFUSED
from simworld.violations import Violation
from simworld.visits import Application, Visit

_VERDICTS = {
    200: Verdict.DONE,
    202: Verdict.ACCEPTED,
    404: Verdict.NOT_FOUND,
    410: Verdict.JOURNAL_GONE,
    425: Verdict.NOT_STARTED,
}
#: What a conflict comes from, by what was asked for.
_CONFLICTS = {
    "pause": Verdict.NOT_RUNNING,
    "purge": Verdict.NOT_COMPLETED,
    "purge-journal": Verdict.NOT_COMPLETED,
    "restart-as-new": Verdict.NOT_COMPLETED,
    "state": Verdict.STATE_CHANGED,
}
#: The engine that the running request has come to.
_SERVER: ContextVar[Reception] = ContextVar("_SERVER")


class _Whoever:
    """The engine that a request has come to: one admin API speaks for all servers."""

    @property
    def registry(self) -> Registry:
        return _SERVER.get().registry

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*args: Any) -> Any:
            return getattr(_SERVER.get(), name)(*args)

        return ask


@cache
def _admin() -> Application:
    """Make the admin API, which takes twice as long as an invocation."""
    whoever: Any = _Whoever()
    return create_admin(whoever, configurator=whoever)


async def change(requests: Reception, verb: str, invocation_id: InvocationId) -> Verdict:
    """Cancel, kill, pause, resume or purge an invocation.

    Raises:
        UnavailableError: the server takes no requests now.
        Violation: it answers as it may not.
    """
    url = f"/invocations/{invocation_text(invocation_id)}/{verb}"
    return (await _ask(requests, "PATCH", url, verb))[0]


async def restart(
    requests: Reception, invocation_id: InvocationId
) -> tuple[Verdict, InvocationId | None]:
    """Run an ended invocation again; as for ``change``."""
    verb = "restart-as-new"
    url = f"/v3/invocations/{invocation_text(invocation_id)}/{verb}"
    verdict, body = await _ask(requests, "PATCH", url, verb)
    if verdict is not Verdict.DONE:
        return verdict, None
    document = msgspec.json.decode(body, type=dict[str, str])
    return verdict, parse_invocation_id(document["new_invocation_id"])


async def edit(
    requests: Reception, service: str, key: str, state: Mapping[bytes, bytes], version: str | None
) -> Verdict:
    """Replace the state of an object; as for ``change``."""
    rows = {name.decode(): list(value) for name, value in state.items()}
    body = {"object_key": key, "new_state": rows, "version": version}
    document = msgspec.json.encode(body)
    return (await _ask(requests, "POST", f"/services/{service}/state", "state", document))[0]


async def _ask(
    requests: Reception, method: str, url: str, verb: str, document: bytes = b""
) -> tuple[Verdict, bytes]:
    headers = [
        (b"host", b"admin"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(document)),
    ]
    _SERVER.set(requests)
    status, body = await Visit(method, url.encode(), headers, document).through(_admin())
    if status in REFUSED:
        raise UnavailableError(body.decode())
    verdict = _VERDICTS.get(status)
    if status == 409:
        verdict = _CONFLICTS.get(verb, Verdict.ALREADY_COMPLETED)
    if verdict is None:
        raise Violation("door", f"{url} is answered with {status} {body!r}")
    return verdict, body
