"""The state of one key, as commands show it and as the admin API takes it.

Values are bytes. People see them as JSON, or as base64 if they ask for it; what they did not change
goes back as the very bytes that were there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from perdure.cli.errors import UsageError

State = Mapping[str, bytes]


def state_version(state: State) -> str:
    """Give the version of a state, by which the server sees whether it has changed since."""
    digest = hashlib.sha256()
    for position, key in enumerate(sorted(state, key=str.encode)):
        digest.update(position.to_bytes(8, "big"))
        digest.update(b"\x01" + key.encode() + b"\x02" + state[key] + b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def show_values(state: State, *, binary: bool) -> dict[str, Any]:
    """Show values as JSON, or all of them as base64.

    Raises:
        UsageError: a value is no JSON.
    """
    if binary:
        return {key: base64.b64encode(value).decode() for key, value in state.items()}
    return {key: _json(key, value) for key, value in state.items()}


def read_values(shown: Any, before: State, *, binary: bool) -> dict[str, bytes]:
    """Turn shown values, perhaps changed, back into bytes.

    Raises:
        UsageError: what was written is no object, or a value of it no base64.
    """
    if not isinstance(shown, dict):
        raise UsageError('the state of a key is an object: write {"name": value, ...}')
    unchanged = show_values(before, binary=binary)
    return {
        key: before[key]
        if key in before and _same(unchanged[key], value)
        else _bytes(key, value, binary=binary)
        for key, value in shown.items()
    }


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON: Python holds ``1``, ``1.0`` and ``true`` for equal."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _json(key: str, value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise UsageError(f"the value of {key!r} is no JSON; --binary shows base64") from error


def _bytes(key: str, value: Any, *, binary: bool) -> bytes:
    if not binary:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise UsageError(f"the value of {key!r} is no base64, which --binary asks for") from error
