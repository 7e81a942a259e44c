"""JSON Patch (RFC 6902): a list of operations on a JSON document."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from perdure.cli.errors import UsageError


def apply_patch(document: Any, patch: Any) -> Any:
    """Give what a patch makes of a document, which stays as it is.

    Raises:
        UsageError: the patch is none, does not fit the document, or one of its tests fails.
    """
    if not isinstance(patch, list):
        raise UsageError('a patch is a list: [{"op": "replace", "path": "/name", "value": 1}]')
    # The document is held by a list, so that its root can be replaced like any other part.
    holder = [copy.deepcopy(document)]
    for position, operation in enumerate(patch):
        try:
            _OPERATIONS[operation["op"]](holder, operation)
        except _MisfitError as error:
            raise UsageError(f"operation {position} of the patch: {error}") from error
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"operation {position} of the patch: write an op ({', '.join(_OPERATIONS)}) "
                "and what it needs of path, value and from"
            ) from error
    return holder[0]


class _MisfitError(Exception):
    """An operation does not fit the document."""


def _add(holder: list[Any], operation: Mapping[str, Any]) -> None:
    _insert(holder, operation["path"], operation["value"])


def _remove(holder: list[Any], operation: Mapping[str, Any]) -> None:
    _take(holder, operation["path"])


def _replace(holder: list[Any], operation: Mapping[str, Any]) -> None:
    parent, key = _find(holder, operation["path"])
    _get(parent, key, operation["path"])
    parent[key] = operation["value"]


def _move(holder: list[Any], operation: Mapping[str, Any]) -> None:
    source, path = operation["from"], operation["path"]
    if path.startswith(source + "/"):
        raise _MisfitError(f"{source} cannot move into itself")
    _insert(holder, path, _take(holder, source))


def _copy(holder: list[Any], operation: Mapping[str, Any]) -> None:
    parent, key = _find(holder, operation["from"])
    value = copy.deepcopy(_get(parent, key, operation["from"]))
    _insert(holder, operation["path"], value)


def _test(holder: list[Any], operation: Mapping[str, Any]) -> None:
    parent, key = _find(holder, operation["path"])
    found = _get(parent, key, operation["path"])
    if json.dumps(found, sort_keys=True) != json.dumps(operation["value"], sort_keys=True):
        raise _MisfitError(f"{operation['path']} is not what the test wants")


_OPERATIONS: Final[dict[str, Callable[[list[Any], Mapping[str, Any]], None]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _find(holder: list[Any], pointer: str) -> tuple[Any, Any]:
    """Find the container that a JSON pointer leads to, and the key within it."""
    if pointer and not pointer.startswith("/"):
        raise _MisfitError(f"the path {pointer!r} must begin with /")
    parent: Any = holder
    key: Any = 0
    for part in pointer.split("/")[1:]:
        parent = _get(parent, key, pointer)
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(parent, list):
            key = _index(key, parent, pointer)
        elif not isinstance(parent, dict):
            raise _MisfitError(f"there is nothing at {pointer}")
    return parent, key


def _index(text: str, parent: list[Any], pointer: str) -> int:
    if text == "-":
        return len(parent)
    if not (text.isascii() and text.isdigit()) or (text != "0" and text.startswith("0")):
        raise _MisfitError(f"{text!r} in {pointer} is no index of a list")
    return int(text)


def _get(parent: Any, key: Any, pointer: str) -> Any:
    try:
        return parent[key]
    except (KeyError, IndexError) as error:
        raise _MisfitError(f"there is nothing at {pointer or 'the root'}") from error


def _insert(holder: list[Any], pointer: str, value: Any) -> None:
    parent, key = _find(holder, pointer)
    if parent is holder or isinstance(parent, dict):
        parent[key] = value
    elif key > len(parent):
        raise _MisfitError(f"the list ends before {pointer}")
    else:
        parent.insert(key, value)


def _take(holder: list[Any], pointer: str) -> Any:
    parent, key = _find(holder, pointer)
    value = _get(parent, key, pointer)
    if parent is holder:
        raise _MisfitError("the whole document cannot be removed")
    del parent[key]
    return value
