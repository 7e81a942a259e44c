"""Addresses of deployments as they are written: where to connect, and under which paths."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from perdure.transport.network import Origin

_PORTS: Final = {"http": 80, "https": 443}
HTTP_2: Final = "HTTP/2.0"
HTTP_1: Final = "HTTP/1.1"


class AddressError(ValueError):
    """An address cannot be used; the message says what to write instead."""


class Address(Struct, frozen=True):
    """Where a deployment is."""

    origin: Origin
    #: What stands before every path, without a slash at its end.
    prefix: str
    query: str

    def path(self, path: str) -> str:
        """Give a path below the deployment's own, with its query."""
        return f"{self.prefix}{path}?{self.query}" if self.query else f"{self.prefix}{path}"


@lru_cache  # asked for each attempt, of few deployments
def parse_address(uri: str, *, http2: bool) -> Address:
    """Read an absolute URI.

    Raises:
        AddressError: it is none, or not one of HTTP.
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AddressError(f"{uri} is no URI: {error}") from error
    if parts.scheme not in _PORTS:
        raise AddressError(f"{uri} is not reached over http or https; write http://host:port")
    if not host:
        raise AddressError(f"{uri} names no host; write http://host:port")
    if "@" in parts.netloc:
        raise AddressError(f"{uri} holds credentials; send them as additional headers instead")
    if any(not "!" <= character <= "~" for character in parts.path + parts.query):
        raise AddressError(f"{uri} holds characters that an URI must write as %xx")
    origin = Origin(parts.scheme, host, _PORTS[parts.scheme] if port is None else port, http2)
    return Address(origin, parts.path.rstrip("/"), parts.query)
