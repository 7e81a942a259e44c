"""Discovery: asking a deployment what it serves (service protocol, section 2).

How the question travels is the business of whoever asks; when it is put again, and what an answer
is worth, is the same for all.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from perdure.core.model.payloads import essence
from perdure.engine.registrar import Discovered, DiscoveryError, Location
from perdure.protocol.manifest import HandlerManifest, Manifest, Options
from perdure.protocol.versions import MANIFEST_VERSIONS
from perdure.transport.addresses import HTTP_1, HTTP_2, Address, AddressError, parse_address
from perdure.transport.client_http import HttpClient
from perdure.transport.exchanges import LostError, NotHttp2Error, Request
from perdure.transport.http import HttpOptions
from perdure.transport.network import UnreachableError

#: A manifest with all its JSON schemas.
MANIFEST_BYTES_MAX: Final = 16 * 1024 * 1024
#: How deep a JSON schema may nest: whoever shows or stores a manifest goes through all levels.
SCHEMA_LEVELS_MAX: Final = 256
#: How many services and handlers a deployment may have together: all are looked at in one go.
HANDLERS_MAX: Final = 10_000
ANSWER_TIMEOUT_S: Final = 10.0
#: The largest number that JSON carries everywhere.
NUMBER_MAX: Final = 2**53 - 1
#: Answers after which the same question may get another one, and how long to wait before it.
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_DELAYS_S: Final = (0.1, 0.2, 0.4, 0.8)
_PATH: Final = "/discover"
_TYPES: Final = tuple(
    f"application/vnd.restate.endpointmanifest.v{number}+json" for number in MANIFEST_VERSIONS
)
_ACCEPT: Final = ("accept", ", ".join(_TYPES))
#: Type and subtype, either of which may be ``*``, and parameters: what can stand in a header.
_MEDIA_TYPE: Final = re.compile(
    r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+[ \t]*(;[\t -~]*)?", re.ASCII
)


class Answer(NamedTuple):
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpDiscoverer:
    """Asks deployments over HTTP."""

    def __init__(self, client: HttpClient, options: HttpOptions) -> None:
        self._client = client
        self._options = options

    async def discover(self, location: Location) -> Discovered:
        """Ask a deployment what it serves, again if it is only busy.

        Raises:
            DiscoveryError: it cannot be reached, or its answer is of no use.
        """
        endpoint = location.endpoint
        address = await self._address(endpoint, use_http_11=location.use_http_11)

        async def ask(request: Request) -> Answer:
            return await self._ask(endpoint, address, request)

        answer = await ask_repeatedly(location, self._options, ask, address.path)
        return Discovered(
            read_answer(endpoint, answer),
            HTTP_2 if address.origin.http2 else HTTP_1,
            answer.headers.get("x-restate-server"),
        )

    async def _address(self, endpoint: str, *, use_http_11: bool) -> Address:
        try:
            address = parse_address(endpoint, http2=not use_http_11)
            if address.origin.scheme == "https" and not use_http_11:
                http2 = await self._client.agrees_to_http2(address.origin)
                return parse_address(endpoint, http2=http2)
        except (AddressError, UnreachableError) as error:
            raise unreachable(endpoint, error) from error
        return address

    async def _ask(self, endpoint: str, address: Address, request: Request) -> Answer:
        collector = Collector()
        exchange = self._client.open(address.origin, request, collector, bodiless=True)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S + self._client.connect_timeout_s):
                return await collector.answer
        except NotHttp2Error as error:
            raise DiscoveryError(
                "META0014",
                f"error when calling {endpoint!r}: {error}; if the service speaks HTTP/1.1 only, "
                "register it with use_http_11",
            ) from error
        except (LostError, TimeoutError) as error:
            raise unreachable(endpoint, error) from error
        finally:
            exchange.cancel()


async def ask_repeatedly(
    location: Location,
    options: HttpOptions,
    ask: Callable[[Request], Awaitable[Answer]],
    placed: Callable[[str], str] = str,
) -> Answer:
    """Ask a deployment what it serves, again if it is only busy, or does not know who asks.

    Args:
        location: where it is.
        options: how it is spoken to.
        ask: puts the question.
        placed: gives the path of a request by its path below the deployment's own.
    """
    tried: set[str] = set()
    delays_s = iter(_DELAYS_S)
    while True:
        signer = options.signer(location.endpoint)
        shared, own = options.request_headers(location.additional_headers, _PATH, signer)
        answer = await ask(Request("GET", placed(_PATH), (_ACCEPT, *shared), own))
        if signer is not None and answer.status == 401 and signer.public_key not in tried:
            tried.add(signer.public_key)
            if options.refused(location.endpoint, signer):
                continue
        delay_s = next(delays_s, None) if answer.status in _PASSING else None
        if delay_s is None:
            return answer
        await asyncio.sleep(delay_s)


class Collector:
    """Gathers a response.

    Args:
        bytes_max: longer ones are refused.
    """

    def __init__(self, bytes_max: int = MANIFEST_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Take status and headers."""
        self._status, self._headers = status, headers

    def data(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body += data
        if len(self._body) > self._bytes_max:
            self.lost(LostError(f"the answer is longer than {self._bytes_max} bytes"))

    def end(self) -> None:
        """Give the answer."""
        if not self.answer.done():
            self.answer.set_result(Answer(self._status, self._headers, bytes(self._body)))

    def lost(self, error: LostError) -> None:
        """Give up."""
        if not self.answer.done():
            self.answer.set_exception(error)


def unreachable(endpoint: str, error: Exception) -> DiscoveryError:
    """Say that a deployment cannot be asked."""
    reason = str(error) or f"no answer within {ANSWER_TIMEOUT_S:g} s"
    return DiscoveryError("META0003", f"error when calling {endpoint!r}: {reason}")


def read_answer(endpoint: str, answer: Answer) -> Manifest:
    """Read the answer to discovery.

    Raises:
        DiscoveryError: it is an error, or no manifest that this server can work with.
    """
    status = answer.status
    if not 200 <= status < 300:
        hint = ""
        if status == 404:
            hint = "; make sure that the address has the path where the services are mounted"
        if 300 <= status < 400:
            hint = f"; it points to {answer.headers.get('location')!r}: register where that leads"
        body = answer.body[:1024].decode(errors="replace")
        raise DiscoveryError(
            "META0003",
            f"error when calling {endpoint!r}: HTTP status {status}{hint}. Its answer: {body}",
        )
    content_type = essence(answer.headers.get("content-type", ""))
    if content_type not in _TYPES:
        raise _useless(f"it has content type {content_type!r} instead of one of {_TYPES}")
    try:
        manifest = msgspec.json.decode(answer.body, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _useless(str(error)) from error
    _check(manifest)
    return manifest


def _check(manifest: Manifest) -> None:
    if manifest.protocol_mode is None:
        raise _useless("it does not say protocolMode")
    if not 1 <= manifest.min_protocol_version <= manifest.max_protocol_version <= NUMBER_MAX:
        raise _useless(
            f"protocol versions {manifest.min_protocol_version} to "
            f"{manifest.max_protocol_version} are no range"
        )
    served = sum(1 + len(service.handlers) for service in manifest.services)
    if served > HANDLERS_MAX:
        raise _useless(
            f"{served} services and handlers are more than {HANDLERS_MAX}, which one deployment "
            "may have"
        )
    for service in manifest.services:
        _check_options(service, service.name)
        for handler in service.handlers:
            _check_options(handler, f"{service.name}/{handler.name}")
            _check_payloads(handler, f"{service.name}/{handler.name}")


def _check_options(options: Options, where: str) -> None:
    """Refuse numbers that durations, counts and factors cannot be."""
    for field in options.__struct_fields__:
        value = getattr(options, field)
        if isinstance(value, int | float) and not 0 <= value <= NUMBER_MAX:
            raise _useless(f"{where} has a {field} of {value}")


def _check_payloads(handler: HandlerManifest, where: str) -> None:
    """Refuse content types that no message can have, and schemas that are too deep."""
    for payload in (handler.input, handler.output):
        if payload is None:
            continue
        content_type = payload.content_type
        if content_type is not None and not _MEDIA_TYPE.fullmatch(content_type):
            raise _useless(f"{where} has a contentType of {content_type!r}, not type/subtype")
        if _nests_deeper(payload.json_schema, SCHEMA_LEVELS_MAX):
            raise _useless(f"{where} has a jsonSchema of more than {SCHEMA_LEVELS_MAX} levels")


def _nests_deeper(value: object, levels_max: int) -> bool:
    """Tell whether a JSON value has more levels than that."""
    level = [value]
    for _ in range(levels_max + 1):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        if not inner:
            return False
        level = inner
    return True


def _useless(reason: str) -> DiscoveryError:
    return DiscoveryError(
        "META0013", f"the answer of the deployment cannot be used: {reason}; upgrade its SDK"
    )
