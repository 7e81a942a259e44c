"""Running a snippet as planned: in a module of its own, against an embedded server."""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import json
import pkgutil
import random
import sys
import textwrap
import typing
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import httpx
import pydantic
from plans import ANYTHING, Call, Names, Plan, Refused, World
from snippets import Snippet

import perdure
import perdure.serde
from perdure.server.doors import Door, bind

#: Imports that the documentation leaves out; whatever a snippet imports itself comes on top.
IMPORTS: Names = {
    **{name: getattr(perdure, name) for name in perdure.__all__ if name.endswith("Context")},
    "BaseModel": pydantic.BaseModel,
    "Dict": dict,
    "List": list,
    "Serde": perdure.serde.Serde,
    "TerminalError": perdure.TerminalError,
    "VirtualObject": perdure.VirtualObject,
    "asyncio": asyncio,
    "datetime": dt.datetime,
    "json": json,
    "random": random,
    "restate": perdure,
    "timedelta": dt.timedelta,
    "typing": typing,
    "uuid": uuid,
}

#: What is put around lines from the middle of a handler.
SHELLS = {
    "service": """
        snippet = restate.Service("Snippet")
        @snippet.handler()
        async def handle(ctx: Context):
        """,
    "object": """
        snippet = restate.VirtualObject("Snippet")
        @snippet.handler()
        async def handle(ctx: ObjectContext):
        """,
    "workflow": """
        snippet = restate.Workflow("Snippet")
        @snippet.handler()
        async def keep(ctx: WorkflowSharedContext, promise: dict):
            await ctx.promise(promise["name"]).resolve(promise["value"])
        @snippet.main()
        async def handle(ctx: WorkflowContext):
        """,
}

_DEFINITIONS = (perdure.Service, perdure.VirtualObject, perdure.Workflow)


def play(snippet: Snippet, plan: Plan) -> None:
    """Load a snippet, serve what it defines, make the planned calls, and check what comes back."""
    world = World()
    names = plan.names(world) if callable(plan.names) else plan.names
    with official_names(plan.modules) as stand_ins:
        module = load(source_of(snippet, plan), names, snippet.name)
        services = definitions([module, *stand_ins])
        if plan.mounted is not None:
            asyncio.run(_serve_elsewhere(module.app, plan.mounted, plan.calls))
        elif services:
            asyncio.run(_serve(services, plan.calls, world))
    if plan.seen is not None:
        assert world.seen == list(plan.seen)


def source_of(snippet: Snippet, plan: Plan) -> str:
    """Put together the code of a snippet's module."""
    code = "\n".join(
        (textwrap.dedent(plan.before), snippet.indented(plan.depths), textwrap.dedent(plan.after))
    )
    if plan.within == "module":
        return code
    shell = textwrap.dedent(SHELLS[plan.within])
    return shell + textwrap.indent(code, "    ") + "\n    pass\n"


@contextmanager
def official_names(stand_ins: Mapping[str, Names]) -> Iterator[list[ModuleType]]:
    """Make ``import restate`` and its submodules find Perdure, and other imports the stand-ins."""
    modules = {"restate": perdure} | {
        f"restate.{info.name}": importlib.import_module(f"perdure.{info.name}")
        for info in pkgutil.iter_modules(perdure.__path__)
        if not info.ispkg and not info.name.startswith("_")
    }
    given = []
    for name, content in stand_ins.items():
        modules[name] = ModuleType(name)
        vars(modules[name]).update(content)
        given.append(modules[name])
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield given
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def load(source: str, names: Names, origin: str) -> ModuleType:
    """Execute code as a module."""
    module = ModuleType("snippet")
    vars(module).update(IMPORTS)
    vars(module).update(names)
    # The code under test is the documentation's own, and the documentation is trusted.
    exec(compile(source, origin, "exec", dont_inherit=True), vars(module))  # noqa: S102
    return module


def definitions(modules: Iterable[ModuleType]) -> list[Any]:
    """Find the services in modules, each once."""
    found = {
        id(value): value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, _DEFINITIONS)
    }
    return list(found.values())


async def _serve(services: list[Any], calls: Iterable[Call], world: World) -> None:
    async with (
        perdure.embedded(perdure.app(services)) as runtime,
        httpx.AsyncClient(timeout=20) as client,
    ):
        world.ingress_url = runtime.ingress_url
        listed = (await client.get(f"{runtime.admin_url}/services")).json()["services"]
        discovered = {
            entry["name"]: {each["name"] for each in entry["handlers"]} for entry in listed
        }
        assert discovered == {service.name: set(service.handlers) for service in services}
        for call in calls:
            path = runtime.ingress_url + call.path
            check(call, await client.post(path, json=call.body))


async def _serve_elsewhere(app: Any, path: str, calls: Iterable[Call]) -> None:
    """Serve an ASGI application on a port of its own, for a server that knows it by its address."""
    door = Door(app, bind("127.0.0.1", 0, "--port"))
    await door.start()
    try:
        async with (
            perdure.embedded(perdure.app([])) as runtime,
            httpx.AsyncClient(timeout=20) as client,
        ):
            order = {"uri": f"http://127.0.0.1:{door.port}{path}"}
            (await client.post(f"{runtime.admin_url}/deployments", json=order)).raise_for_status()
            for call in calls:
                check(call, await client.post(runtime.ingress_url + call.path, json=call.body))
    finally:
        await door.stop(1)


def check(call: Call, response: httpx.Response) -> None:
    """Compare an answer with what the plan says."""
    if isinstance(call.gives, Refused):
        assert response.status_code == call.gives.status, response.text
        if call.gives.message is not None:
            assert response.json()["message"] == call.gives.message
        return
    assert response.is_success, response.text
    result = response.json() if response.content else None
    if callable(call.gives):
        assert call.gives(result), result
    elif call.gives is not ANYTHING:
        assert result == call.gives
