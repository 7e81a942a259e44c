"""Which keys are whose, where a server has several partitions: equal ranges, in order."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

from perdure.protocol.ids import (
    INVOCATION_ID_SIZE,
    PARTITION_KEY_SIZE,
    SERVICE_BUCKETS,
    InvocationId,
    service_partition_key,
)

_BITS: Final = 8 * PARTITION_KEY_SIZE
#: Sorts behind every invocation's id, and behind every object's key.
_BEHIND_ALL: Final = b"\xff" * (INVOCATION_ID_SIZE + 1)


class Share(Struct, frozen=True):
    """The partition keys of one partition; :func:`share_of` makes it."""

    #: Number of the partition, from 0.
    index: int
    #: How many partitions there are.
    count: int
    #: The first partition key, and what sorts behind the last.
    low: bytes
    end: bytes

    @property
    def alone(self) -> bool:
        """Whether there is no other partition."""
        return self.count == 1

    def holds(self, name: bytes) -> bool:
        """Tell whether what begins with a partition key, such as an invocation's id, is here."""
        return self.low <= name < self.end

    def owner(self, invocation_id: InvocationId) -> int:
        """Give the number of the partition in which an invocation lives."""
        return int.from_bytes(invocation_id[:PARTITION_KEY_SIZE], "big") * self.count >> _BITS


def share_of(index: int, count: int) -> Share:
    """Give what belongs to one of so many partitions.

    Args:
        index: number of the partition, from 0.
        count: how many there are.
    """
    assert 0 <= index < count
    end = _BEHIND_ALL if index + 1 == count else _first_key(index + 1, count)
    return Share(index, count, _first_key(index, count), end)


def _first_key(index: int, count: int) -> bytes:
    return (-(-(index << _BITS) // count)).to_bytes(PARTITION_KEY_SIZE, "big")


#: The only partition has it all.
ALONE: Final = share_of(0, 1)


@lru_cache(maxsize=4_096)
def service_keys(service: str, share: Share) -> tuple[bytes, ...]:
    """Give the partition keys among which requests to a plain service are drawn.

    They are those of the drawing partition, so that it runs the request itself; all of them in the
    unlikely case that it has none.
    """
    keys = tuple([service_partition_key(service, bucket) for bucket in range(SERVICE_BUCKETS)])
    return tuple([key for key in keys if share.holds(key)]) or keys
