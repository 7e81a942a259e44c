"""The client's side of HTTP/1.1 in tests: requests as bytes, responses as values."""

from __future__ import annotations

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nhost: x\r\n"


def get(path, version=b"1.1", extra=b""):
    return b"GET %b HTTP/%b\r\nhost: x\r\n%b\r\n" % (path, version, extra)


def post(body):
    return POST + b"content-length: %d\r\n\r\n%b" % (len(body), body)


async def read_head(reader):
    """Give a response's status and headers."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")[:-2]
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines)


async def read_response(reader):
    """Give a response's status, headers and body."""
    status, headers = await read_head(reader)
    return status, headers, await reader.readexactly(int(headers["content-length"]))
