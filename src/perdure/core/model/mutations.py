"""Changes of an object's state from outside: what shall be its state, and what was it when asked.

The version of a state is a hash of all of it, so that whoever read a state can tell whether it is
still the same without anything being counted.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256

from msgspec import Struct

from perdure.protocol.ids import InvocationId


class Mutation(Struct, frozen=True, array_like=True, gc=False):
    """A change of state that waits in the line of its object."""

    #: Has the form of an invocation's id, and stands beside these.
    mutation_id: InvocationId
    #: The whole new state: keys and values.
    state: tuple[tuple[bytes, bytes], ...]
    #: Version of the state that may be replaced; None replaces any.
    version: str | None
    #: Milliseconds since 1970.
    created_at: int


def state_version(rows: Iterable[tuple[bytes, bytes]]) -> str:
    """Give the version of a state: URL-safe base64 of SHA-256 over its rows.

    Each row is hashed as place (8, big-endian) | 1 | key | 2 | value | 3.

    Args:
        rows: keys and values, in the order of the keys' bytes.
    """
    digest = sha256()
    for place, (key, value) in enumerate(rows):
        digest.update(place.to_bytes(8, "big") + b"\x01" + key + b"\x02" + value + b"\x03")
    return urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
