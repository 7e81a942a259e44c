"""Pieces of ASGI applications: what they say, and how they wait."""

from __future__ import annotations

import asyncio


async def start(send, headers=(), status=200):
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def proceed(send, body, *, more=False):
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def respond(send, body, headers=(), status=200):
    await start(send, headers, status)
    await proceed(send, body)


async def read_body(receive):
    """Give the body of a request; None if its client went away before the end."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            return body
    return None


async def echo(scope, receive, send):
    """Answer with the body, or with the path if there is none."""
    body = await read_body(receive)
    if body is not None:
        await respond(send, body or scope["path"].encode())


class Gate:
    """Lets an application wait."""

    def __init__(self):
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self):
        self.reached.set()
        await self.opened.wait()


def echo_behind(gate):
    """Make an application that echoes once a gate has opened."""

    async def application(scope, receive, send):
        await gate.pass_through()
        await echo(scope, receive, send)

    return application
