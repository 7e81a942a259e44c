"""Which id a request gets: derived where something names it, drawn where nothing does."""

from __future__ import annotations

from typing import Final

from perdure.core.model.shares import ALONE, Share, service_keys
from perdure.core.model.targets import HandlerKind, Target
from perdure.protocol.ids import (
    InvocationId,
    idempotent_id,
    keyed_partition_key,
    ulid,
    workflow_run_id,
)

#: How many random bytes one id may take: 10 for the uuid, 2 for the bucket.
CHANCE_BYTES: Final = 12


def request_id(
    target: Target,
    idempotency_key: str | None,
    now_ms: int,
    chance: bytes,
    share: Share = ALONE,
) -> InvocationId:
    """Give the id of a request (service protocol 8.3 and 8.4).

    Args:
        target: what to run.
        idempotency_key: the caller's, if there is one; a workflow's run ignores it.
        now_ms: milliseconds since 1970.
        chance: :data:`CHANCE_BYTES` random bytes.
        share: what an id that nothing names is drawn from.
    """
    kind = target.kind
    if kind.once:
        return workflow_run_id(target.service, target.key)
    if idempotency_key is not None:
        key = target.key if kind.keyed else None
        return idempotent_id(target.service, target.handler, idempotency_key, key)
    uuid = ulid(now_ms, chance)
    if kind.keyed:
        return InvocationId(keyed_partition_key(target.key) + uuid)
    keys = service_keys(target.service, share)
    return InvocationId(keys[(chance[10] << 8 | chance[11]) % len(keys)] + uuid)


def is_drawn(kind: HandlerKind, idempotency_key: str | None) -> bool:
    """Tell whether a request's id names nothing, so that no two requests ever share it."""
    return idempotency_key is None and not kind.once


def mutation_id(key: str, now_ms: int, chance: bytes) -> InvocationId:
    """Give the id of a change of state, which waits among the invocations of its key."""
    return InvocationId(keyed_partition_key(key) + ulid(now_ms, chance))


def sibling_id(invocation_id: InvocationId, now_ms: int, chance: bytes) -> InvocationId:
    """Give a fresh id in the partition of another one, as a restart needs it."""
    return InvocationId(invocation_id[:8] + ulid(now_ms, chance))
