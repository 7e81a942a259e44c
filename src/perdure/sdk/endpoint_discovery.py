"""Discovery: which version of the manifest is spoken, and what of it that version can say.

Fields that only inform are left out for servers that do not know them. Fields that change how a
service behaves are not: a server that would silently do something else is told so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, replace

from perdure.protocol.manifest import Document, Manifest
from perdure.protocol.versions import MANIFEST_VERSIONS

_MEDIA_TYPE: Final = re.compile(r"application/vnd\.restate\.endpointmanifest\.v(\d{1,9})\+json")
_ANY: Final = re.compile(r"(\*|application)/\*")

#: The version with which a field came; fields that are not here were there from the beginning.
_SINCE: Final = {
    "inactivity_timeout": 3,
    "abort_timeout": 3,
    "journal_retention": 3,
    "idempotency_retention": 3,
    "workflow_completion_retention": 3,
    "enable_lazy_state": 3,
    "ingress_private": 3,
    "retry_policy_initial_interval": 4,
    "retry_policy_max_interval": 4,
    "retry_policy_max_attempts": 4,
    "retry_policy_exponentiation_factor": 4,
    "retry_policy_on_max_attempts": 4,
}
#: Likewise, for fields that may be left out.
_INFORMS_SINCE: Final = {"documentation": 2, "metadata": 2, "lambda_compression": 4}


class InexpressibleError(Exception):
    """A service uses an option that the server's version of the manifest does not have."""


def manifest_version(accept: str | None) -> int | None:
    """Choose the newest version that the server accepts; None if it accepts none.

    Args:
        accept: The request's header of this name.
    """
    if accept is None or _ANY.search(accept):
        return MANIFEST_VERSIONS[-1]
    offered = {int(number) for number in _MEDIA_TYPE.findall(accept)}
    return max(offered.intersection(MANIFEST_VERSIONS), default=None)


def media_type(version: int) -> str:
    """Name a version of the manifest."""
    return f"application/vnd.restate.endpointmanifest.v{version}+json"


def document(manifest: Manifest, version: int) -> bytes:
    """Write a manifest as JSON.

    Raises:
        InexpressibleError: it holds what this version cannot say.
    """
    services = tuple(
        replace(
            _reduced(service, version, [service.name]),
            handlers=tuple(
                _reduced(handler, version, [service.name, handler.name])
                for handler in service.handlers
            ),
        )
        for service in manifest.services
    )
    return msgspec.json.encode(replace(_reduced(manifest, version, []), services=services))


def _reduced(part: Any, version: int, where: Iterable[str]) -> Any:
    """Leave out what the version does not know, if that may be."""
    assert isinstance(part, Document)
    given = {name for name, value in asdict(part).items() if value is not None}
    for name in given & _SINCE.keys():
        if version < _SINCE[name]:
            raise InexpressibleError(
                f"the server speaks version {version} of the discovery manifest, and the option "
                f"{name!r} of {'/'.join(where)} needs version {_SINCE[name]}: upgrade the server, "
                "or leave the option out"
            )
    dropped = [name for name in given & _INFORMS_SINCE.keys() if version < _INFORMS_SINCE[name]]
    return replace(part, **dict.fromkeys(dropped)) if dropped else part
