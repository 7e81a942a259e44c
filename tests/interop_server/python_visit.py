"""Talks to the services from outside, with the official Python client; prints what it hears.

The client has no handles on invocations: a call with the key of what was sent gives its result. It
writes delays without a unit, which no server takes (SDK 1.3.0).
"""

from __future__ import annotations

import asyncio
import json
import sys

import restate
from python_services import add, approve, greet, refuse, run
from restate.client_types import HttpError, RestateClient


async def visit(url: str, key: str) -> list[object]:
    async with restate.create_client(url) as client:
        heard: list[object] = [await client.service_call(greet, "Ada")]
        heard += [await client.object_call(add, key, 5, idempotency_key=key) for _ in range(2)]
        await client.service_send(greet, "Bob", idempotency_key=key)
        heard.append(await client.service_call(greet, "Bob", idempotency_key=key))
        later = f"{key} later"
        await client.object_send(add, key, 2, idempotency_key=later)
        heard.append(await client.object_call(add, key, 2, idempotency_key=later))
        try:
            await client.service_call(refuse, 418)
        except HttpError as error:
            heard.append(error.status_code)
        return [*heard, *await sign_up(client, key)]


async def sign_up(client: RestateClient, key: str) -> list[object]:
    running = asyncio.create_task(client.workflow_call(run, key, "a@b.c"))
    ready = running.done()
    await client.workflow_call(approve, key, "yes")
    answer = await running
    return [ready, answer, answer]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(visit(*sys.argv[1:]))))
