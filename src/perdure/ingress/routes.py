"""Paths of the ingress, as values: what a request is about, before anything is looked up.

    /{service}[/{key}]/{handler}[/send]                                  HandlerRoute
    /restate/call|send/{service}[/{key}]/{handler}                       HandlerRoute
    /restate/invocation/{id}/attach|output, /restate/attach|output/{id}  InvocationRoute
    /restate/invocation/{service}[/{key}]/{handler}/{idempotency key}/attach|output
                                                                         IdempotentRoute
    /restate/workflow/{name}/{key}/attach|output                         WorkflowRoute
    /restate/attach|output|lookup                                        TargetRoute
    /restate/awakeables|a/{id}/resolve|reject                            AwakeableRoute
    /restate/health                                                      HealthRoute

Whether a service has keys is not written in a path: a HandlerRoute and an IdempotentRoute carry
what follows the service's name as segments, for the registry to tell apart.

Keys are percent-decoded, and so are idempotency keys (the peer looks those up undecoded). Names of
services and handlers need no escapes and are taken as they are.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from perdure.ingress.errors import BadRequestError, NotFoundError

#: Path and query together, in bytes; the peer's limit. Longer URLs are no one's identifiers.
URI_BYTES_MAX: Final = 65_534

_GET: Final = frozenset({"GET"})
_POST: Final = frozenset({"POST"})

_BAD_HANDLER_PATH: Final = (
    "bad path, expected either /:service-name/:handler or /:object-name/:object-key/:handler"
)
_BAD_RESTATE_PATH: Final = (
    "bad path, expected /restate/call/:service/:handler or /restate/send/:service/:handler, "
    "with /:key before the handler of an object or workflow, /restate/attach/:invocation_id, "
    "/restate/output/:invocation_id or /restate/lookup"
)
_BAD_INVOCATION_PATH: Final = (
    "bad path, expected /restate/invocation/ followed by either :invocation_id or "
    ":service/:handler/:idempotency_key, with /:key before the handler of an object, "
    "and then /attach or /output"
)
_BAD_WORKFLOW_PATH: Final = (
    "bad path, expected /restate/workflow/:workflow_name/:workflow_key/attach or "
    "/restate/workflow/:workflow_name/:workflow_key/output"
)
_BAD_AWAKEABLE_PATH: Final = (
    "bad path, expected /restate/awakeables/:id/resolve or /restate/awakeables/:id/reject"
)
_NO_SCOPES: Final = (
    "scoped invocations require vqueues to be enabled, which this server does not offer; "
    "use /restate/call or /restate/send without a scope"
)


class Mode(Enum):
    """Whether the caller waits for the result."""

    CALL = "call"
    SEND = "send"


#: Members of an enum are slow to reach before Python 3.12: looked up once for all requests.
_CALL: Final = Mode.CALL


class Operation(Enum):
    """What is asked about an invocation that exists already."""

    #: Wait for its result.
    ATTACH = "attach"
    #: Give its result if there is one.
    OUTPUT = "output"
    #: Give its id.
    LOOKUP = "lookup"


class HandlerRoute(Struct, frozen=True, gc=False):
    """Invoke a handler.

    The older paths tell a send by a last segment, so that ``mode`` is None there.
    """

    methods: ClassVar[frozenset[str]] = frozenset({"GET", "POST"})
    service: str
    rest: tuple[str, ...]
    mode: Mode | None = None


class InvocationRoute(Struct, frozen=True, gc=False):
    """Ask for a result by the invocation's id."""

    methods: ClassVar[frozenset[str]] = _GET
    operation: Operation
    invocation_id: str


class IdempotentRoute(Struct, frozen=True, gc=False):
    """Ask for a result by idempotency key; ``rest`` ends with that key."""

    methods: ClassVar[frozenset[str]] = _GET
    operation: Operation
    service: str
    rest: tuple[str, ...]


class WorkflowRoute(Struct, frozen=True, gc=False):
    """Ask for a workflow's result."""

    methods: ClassVar[frozenset[str]] = _GET
    operation: Operation
    name: str
    key: str


class TargetRoute(Struct, frozen=True, gc=False):
    """Ask about an invocation that the body names."""

    methods: ClassVar[frozenset[str]] = _POST
    operation: Operation


class AwakeableRoute(Struct, frozen=True, gc=False):
    """Complete an awakeable, with a value or with a failure."""

    methods: ClassVar[frozenset[str]] = _POST
    awakeable_id: str
    resolve: bool


class HealthRoute(Struct, frozen=True, gc=False):
    """Ask whether the server is up, and what it serves."""

    methods: ClassVar[frozenset[str]] = frozenset({"GET", "HEAD"})


Route = (
    HandlerRoute
    | InvocationRoute
    | IdempotentRoute
    | WorkflowRoute
    | TargetRoute
    | AwakeableRoute
    | HealthRoute
)

_QUESTIONS: Final = {"attach": Operation.ATTACH, "output": Operation.OUTPUT}


def parse_path(raw_path: bytes) -> Route:
    """Read the path of a request, still percent-encoded.

    Raises:
        BadRequestError: the path has another shape than its beginning promises.
        NotFoundError: there is no such path.
    """
    # Bytes beyond ASCII survive as they are, and become text where a key is decoded.
    path = raw_path.decode("latin-1").strip("/")
    service, *rest = path.split("/")
    if service == "restate":
        return _parse_restate(rest)
    if not rest:
        raise BadRequestError(f"bad path: {raw_path.decode('utf-8', 'replace')}")
    return HandlerRoute(service, tuple(rest))


def _parse_restate(segments: list[str]) -> Route:
    match segments:
        case ["call" | "send" | "attach" | "output" | "lookup", *_]:
            return _parse_direct(segments)
        case ["invocation", *rest]:
            return _parse_invocation(rest)
        case ["workflow", *rest]:
            return _parse_workflow(rest)
        case ["awakeables" | "a", *rest]:
            return _parse_awakeable(rest)
        case ["health", *_]:
            return HealthRoute()
        case ["scope", *_]:
            raise BadRequestError(_NO_SCOPES)
        case _:
            raise NotFoundError("not found")


def _parse_direct(segments: list[str]) -> Route:
    """Read a path whose second segment says what is to be done."""
    match segments:
        case ["call" | "send" as mode, service, *rest] if rest:
            return HandlerRoute(service, tuple(rest), Mode(mode))
        case ["attach" | "output" | "lookup" as operation]:
            return TargetRoute(Operation(operation))
        case ["attach" | "output" as operation, invocation_id]:
            return InvocationRoute(Operation(operation), invocation_id)
        case _:
            raise BadRequestError(_BAD_RESTATE_PATH)


def _parse_invocation(segments: list[str]) -> Route:
    if len(segments) < 2:
        raise BadRequestError(_BAD_INVOCATION_PATH)
    *target, last = segments
    operation = _question(last)
    if len(target) == 1:
        return InvocationRoute(operation, target[0])
    return IdempotentRoute(operation, target[0], tuple(target[1:]))


def _parse_workflow(segments: list[str]) -> WorkflowRoute:
    if len(segments) != 3:
        raise BadRequestError(_BAD_WORKFLOW_PATH)
    name, key, last = segments
    return WorkflowRoute(_question(last), name, decode_segment(key, "key"))


def _parse_awakeable(segments: list[str]) -> AwakeableRoute:
    if len(segments) != 2:
        raise BadRequestError(_BAD_AWAKEABLE_PATH)
    awakeable_id, last = segments
    if last not in ("resolve", "reject"):
        raise NotFoundError("not found")
    return AwakeableRoute(awakeable_id, last == "resolve")


def _question(segment: str) -> Operation:
    operation = _QUESTIONS.get(segment)
    if operation is None:
        raise NotFoundError("not found")
    return operation


def split_handler_path(route: HandlerRoute, *, keyed: bool) -> tuple[str, str, Mode]:
    """Tell key, handler and mode apart, now that it is known whether the service has keys.

    A plain service's key is the empty text.

    Raises:
        BadRequestError: there are too few segments or too many, or the key is not UTF-8.
    """
    rest = route.rest
    count = 2 if keyed else 1
    mode = route.mode
    if mode is None and len(rest) == count + 1 and rest[count] == "send":
        mode = Mode.SEND
    elif len(rest) != count:
        raise BadRequestError(_BAD_HANDLER_PATH if route.mode is None else _BAD_RESTATE_PATH)
    key = decode_segment(rest[0], "key") if keyed else ""
    return key, rest[count - 1], mode or _CALL


def split_idempotent_path(route: IdempotentRoute, *, keyed: bool) -> tuple[str | None, str, str]:
    """Tell key, handler and idempotency key apart; a plain service's key is None.

    Raises:
        BadRequestError: there are too few segments or too many, or a key is not UTF-8.
    """
    if len(route.rest) != (3 if keyed else 2):
        raise BadRequestError(_BAD_INVOCATION_PATH)
    *key, handler, idempotency_key = route.rest
    return (
        decode_segment(key[0], "key") if key else None,
        handler,
        decode_segment(idempotency_key, "idempotency key"),
    )


def decode_segment(segment: str, what: str) -> str:
    """Undo the percent-encoding of a key; an invalid escape stands for itself.

    Raises:
        BadRequestError: the bytes are not UTF-8.
    """
    if "%" not in segment and segment.isascii():
        return segment
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"bad path, the {what} is not valid UTF-8 when decoded") from error
