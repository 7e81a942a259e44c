"""Identifiers: their bytes, their text, and how they are derived (service protocol, section 8).

An invocation id is 24 bytes: the partition key (8, big-endian), then a uuid (16). It is derived
from a workflow's key or an idempotency key where there is one, so that asking twice gives the same
id; otherwise it is drawn. Nothing here draws: whoever may ask for time and chance passes them in.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256
from typing import Final, NewType

from siphash24 import siphash13
from xxhash import xxh3_64_intdigest

from perdure.protocol import base62

#: Raw bytes of an invocation's id: partition key, then uuid.
InvocationId = NewType("InvocationId", bytes)
#: Text of a deployment's id (``dp_…``).
DeploymentId = NewType("DeploymentId", str)

INVOCATION_ID_SIZE: Final = 24
PARTITION_KEY_SIZE: Final = 8
#: Calls to plain services spread over this many partition keys a service (service protocol 8.3).
SERVICE_BUCKETS: Final = 512

_SEPARATOR: Final = b"\xff"
_INVOCATION_TEXT_LENGTH: Final = len("inv_1") + base62.WIDTH_64 + base62.WIDTH_128
_SEED_PREFIX: Final = INVOCATION_ID_SIZE.to_bytes(8, "little")
_SEED_KEY: Final = bytes(16)
_UNSIGNED: Final = 2**64 - 1
_AWAKEABLE_SIZE: Final = INVOCATION_ID_SIZE + 4


class IdentifierError(ValueError):
    """A text is not the identifier it should be; the message says what is wrong with it."""


def ulid(now_ms: int, chance: bytes) -> bytes:
    """Give 16 bytes that sort by time: 48 bits of milliseconds, then 80 bits of chance."""
    return now_ms.to_bytes(6, "big") + chance[:10]


def keyed_partition_key(key: str) -> bytes:
    """Partition key of an object or workflow; the service's name plays no role."""
    return xxh3_64_intdigest(key.encode() + _SEPARATOR).to_bytes(8, "big")


def idempotency_bucket(idempotency_key: str) -> int:
    """Bucket of a plain service's request that carries an idempotency key."""
    return xxh3_64_intdigest(idempotency_key.encode() + _SEPARATOR) % SERVICE_BUCKETS


@lru_cache(maxsize=16_384)
def service_partition_key(service: str, bucket: int) -> bytes:
    """Partition key of a plain service's request in the given bucket; few, that come again."""
    text = service.encode() + _SEPARATOR + b"unscoped/service" + _SEPARATOR
    return xxh3_64_intdigest(text + bucket.to_bytes(8, "little")).to_bytes(8, "big")


def derived_uuid(*parts: str) -> bytes:
    """First 16 bytes of SHA-256 over the comma-joined parts."""
    return sha256(",".join(parts).encode()).digest()[:16]


def workflow_run_id(service: str, key: str) -> InvocationId:
    """Id of the one run of a workflow."""
    return InvocationId(keyed_partition_key(key) + derived_uuid("wf", service, key))


def idempotent_id(
    service: str, handler: str, idempotency_key: str, key: str | None = None
) -> InvocationId:
    """Id of a request that carries an idempotency key."""
    if key is None:
        partition_key = service_partition_key(service, idempotency_bucket(idempotency_key))
        return InvocationId(partition_key + derived_uuid("ik", service, handler, idempotency_key))
    uuid = derived_uuid("ik", service, key, handler, idempotency_key)
    return InvocationId(keyed_partition_key(key) + uuid)


@lru_cache(maxsize=16_384)
def random_seed(invocation_id: bytes) -> int:
    """Seed of the handler's random numbers: SipHash-1-3 of the length-prefixed id.

    Each attempt of an invocation asks for it.
    """
    digest: int = siphash13(_SEED_PREFIX + invocation_id, key=_SEED_KEY).intdigest()
    return digest & _UNSIGNED


@lru_cache(maxsize=16_384)
def invocation_text(invocation_id: InvocationId) -> str:
    """Write an invocation's id."""
    assert len(invocation_id) == INVOCATION_ID_SIZE
    return (
        "inv_1"
        + _partition_text(invocation_id[:PARTITION_KEY_SIZE])
        + base62.encode_128(invocation_id[PARTITION_KEY_SIZE:])
    )


def mutation_text(mutation_id: InvocationId) -> str:
    """Write the id of a change of state, which has the form of an invocation's."""
    return "mut_1" + invocation_text(mutation_id).removeprefix("inv_1")


@lru_cache(maxsize=16_384)
def _partition_text(partition_key: bytes) -> str:
    """Write a partition key; those of plain services come again and again."""
    return base62.encode_64(partition_key)


def parse_invocation_id(text: str) -> InvocationId:
    """Read an invocation's id.

    Raises:
        IdentifierError: the text has another form.
    """
    if not text.startswith("inv_"):
        raise IdentifierError("bad format")
    if not text.startswith("inv_1"):
        raise IdentifierError("unrecognized codec version")
    if len(text) != _INVOCATION_TEXT_LENGTH:
        raise IdentifierError("bad length")
    middle = len("inv_1") + base62.WIDTH_64
    try:
        partition_key = base62.decode(text[len("inv_1") : middle], 8)
        return InvocationId(partition_key + base62.decode(text[middle:], 16))
    except ValueError as error:
        raise IdentifierError("bad format") from error


def deployment_text(ulid_bytes: bytes) -> DeploymentId:
    """Write a deployment's id."""
    return DeploymentId("dp_1" + base62.encode_128(ulid_bytes))


def parse_deployment_id(text: str) -> DeploymentId:
    """Check the form of a deployment's id.

    Raises:
        IdentifierError: the text has another form.
    """
    if not text.startswith("dp_1") or len(text) != len("dp_1") + base62.WIDTH_128:
        raise IdentifierError("bad format")
    try:
        base62.decode(text[len("dp_1") :], 16)
    except ValueError as error:
        raise IdentifierError("bad format") from error
    return DeploymentId(text)


def awakeable_text(invocation_id: InvocationId, signal_index: int) -> str:
    """Write the id under which the outside completes an awakeable (service protocol 5.12)."""
    raw = invocation_id + signal_index.to_bytes(4, "big")
    return "sign_1" + urlsafe_b64encode(raw).rstrip(b"=").decode()


def parse_awakeable_id(text: str) -> tuple[InvocationId, int]:
    """Read an awakeable's id: the invocation that waits, and the signal it waits for.

    Raises:
        IdentifierError: the text has another form.
    """
    prefix, separator, rest = text.partition("_")
    if not separator or not rest:
        raise IdentifierError("bad format")
    if prefix != "sign":
        raise IdentifierError("id doesn't match the expected type")
    if not rest.startswith("1"):
        raise IdentifierError("unrecognized codec version")
    body = rest[1:].rstrip("=")
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError) as error:
        raise IdentifierError("bad format") from error
    if len(raw) != _AWAKEABLE_SIZE:
        raise IdentifierError("bad length")
    return InvocationId(raw[:INVOCATION_ID_SIZE]), int.from_bytes(raw[INVOCATION_ID_SIZE:], "big")
