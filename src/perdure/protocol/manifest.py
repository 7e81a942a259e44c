"""The discovery manifest: what a deployment says it serves (service protocol, section 2).

Absent optional fields are ``None`` and are left out of the JSON. Durations are milliseconds.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from msgspec import Struct

SERVICE_NAME = re.compile(r"([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9._-]*")
HANDLER_NAME = re.compile(r"([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*")


class ProtocolMode(StrEnum):
    """Whether an attempt is one open stream, or a request that gets one response."""

    BIDI_STREAM = "BIDI_STREAM"
    REQUEST_RESPONSE = "REQUEST_RESPONSE"


class ServiceType(StrEnum):
    """The kind of a service."""

    SERVICE = "SERVICE"
    VIRTUAL_OBJECT = "VIRTUAL_OBJECT"
    WORKFLOW = "WORKFLOW"


class HandlerType(StrEnum):
    """How a handler of an object or workflow shares its key with others."""

    WORKFLOW = "WORKFLOW"
    EXCLUSIVE = "EXCLUSIVE"
    SHARED = "SHARED"


class OnMaxAttempts(StrEnum):
    """What happens when the retries of an invocation are exhausted."""

    PAUSE = "PAUSE"
    KILL = "KILL"


class Document(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A JSON object of the manifest."""


class InputPayload(Document, frozen=True, kw_only=True):
    """What a handler takes; see :mod:`perdure.core.model.payloads` for the rules it implies."""

    required: bool | None = None
    content_type: str | None = None
    json_schema: Any = None


class OutputPayload(Document, frozen=True, kw_only=True):
    """What a handler gives."""

    content_type: str | None = None
    set_content_type_if_empty: bool | None = None
    json_schema: Any = None


class Options(Document, frozen=True, kw_only=True):
    """Options that services and handlers share; a handler's own override its service's."""

    documentation: str | None = None
    metadata: dict[str, str] | None = None
    inactivity_timeout: int | None = None
    abort_timeout: int | None = None
    journal_retention: int | None = None
    idempotency_retention: int | None = None
    enable_lazy_state: bool | None = None
    ingress_private: bool | None = None
    retry_policy_initial_interval: int | None = None
    retry_policy_max_interval: int | None = None
    retry_policy_max_attempts: int | None = None
    retry_policy_exponentiation_factor: float | None = None
    retry_policy_on_max_attempts: OnMaxAttempts | None = None


class HandlerManifest(Options, frozen=True, kw_only=True):
    """One handler."""

    name: str
    ty: HandlerType | None = None
    input: InputPayload | None = None
    output: OutputPayload | None = None
    workflow_completion_retention: int | None = None


class ServiceManifest(Options, frozen=True, kw_only=True):
    """One service with its handlers."""

    name: str
    ty: ServiceType
    handlers: tuple[HandlerManifest, ...]


class Manifest(Document, frozen=True, kw_only=True):
    """Everything one deployment serves."""

    min_protocol_version: int
    max_protocol_version: int
    services: tuple[ServiceManifest, ...]
    protocol_mode: ProtocolMode | None = None
    lambda_compression: str | None = None
