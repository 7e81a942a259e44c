"""How a snippet of the documentation is run: what it leaves out, where it stands, what it gives.

The documentation shows code without its imports and helpers, and often only lines from the middle
of a handler. A plan adds what is missing, all of it written here, and says what must come out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import httpx

import perdure

#: What a snippet's names are bound to.
Names = Mapping[str, Any]


class World:
    """What stand-ins can reach: the ingress, and a list of what they were asked to do."""

    def __init__(self) -> None:
        self.ingress_url = ""
        self.seen: list[str] = []

    def doing(self, what: str, result: Any = None) -> Callable[..., Any]:
        """Give a function that notes that it was called, and returns (or raises) something."""

        def stand_in(*_args: Any, **_kwargs: Any) -> Any:
            self.seen.append(what)
            if isinstance(result, Exception):
                raise result
            return result

        return stand_in

    async def post(self, path: str, body: Any) -> None:
        """Send a request, as somebody outside would."""
        async with httpx.AsyncClient(base_url=self.ingress_url) as client:
            (await client.post(path, json=body)).raise_for_status()

    async def resolve(self, awakeable: str, value: Any) -> None:
        """Complete an awakeable, as somebody outside would."""
        await self.post(f"/restate/awakeables/{awakeable}/resolve", value)


@dataclass(frozen=True)
class Refused:
    """A failure that the caller is to get."""

    message: str | None = None
    status: int = 500


#: The result does not matter; that there is one does.
ANYTHING = object()


@dataclass(frozen=True)
class Call:
    """A request, and what must come back: a value, a test of it, or a refusal."""

    path: str
    body: Any = None
    gives: Any = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a snippet is run.

    ``within`` is where its lines belong: in a module of their own, or in a handler of a service,
    virtual object or workflow that is put around them. ``before`` and ``after`` are lines to put
    next to them, in the same place.
    """

    digest: str
    depths: str = ""
    within: Literal["module", "service", "object", "workflow"] = "module"
    before: str = ""
    after: str = ""
    names: Names | Callable[[World], Names] = field(default_factory=dict)
    modules: Mapping[str, Names] = field(default_factory=dict)
    calls: Sequence[Call] = ()
    #: Path under which ``app`` has the services, if it is served on a port of its own.
    mounted: str | None = None
    seen: Sequence[str] | None = None


Catalogue = Mapping[str, Plan]


def fragment(
    digest: str,
    *,
    within: Literal["service", "object", "workflow"] = "service",
    promises: Names | None = None,
    gives: Any = None,
    **rest: Any,
) -> Plan:
    """Plan lines from the middle of a handler.

    Args:
        digest: of the text.
        within: the kind of service around the handler.
        promises: durable promises to keep before the handler runs.
        gives: what the handler must return.
        rest: as for :class:`Plan`.
    """
    key = "" if within == "service" else "/a-key"
    kept = [
        Call(f"/Snippet{key}/keep", {"name": name, "value": value})
        for name, value in (promises or {}).items()
    ]
    calls = [*kept, Call(f"/Snippet{key}/handle", None, gives)]
    return Plan(digest=digest, within=within, calls=calls, **rest)


def callees(service: perdure.Service, **answers: Any) -> dict[str, Any]:
    """Give handlers for snippets to call, with their service: each answers with a constant."""
    return {service.name: service} | {
        name: service.handler(name)(_answering(answer)) for name, answer in answers.items()
    }


def _answering(answer: Any) -> Callable[..., Any]:
    async def handler(_ctx: perdure.Context, _arg: Any) -> Any:
        return answer

    return handler


def hurry(factor: int = 1_000_000) -> Names:
    """Give a ``timedelta`` that is shorter by a factor."""

    def hurried(**units: float) -> timedelta:
        return timedelta(**units) / factor

    return {"timedelta": hurried}
