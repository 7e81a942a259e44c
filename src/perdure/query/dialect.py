"""The dialect: what the SQL engine is given to read, and what it is spared.

It walks a query by recursion, and one that is nested or chained deep enough would take the process
down with it. So the words that can nest or chain are counted; values are not among them, since a
list may hold many.

Operators on JSON text are written as calls of the functions behind them.

``a -> 'k'`` and ``a ->> 'k'`` are parsed by the SQL engine, and then not known to it. They bind
tighter than anything but calls, indexes, parentheses and casts of their left side, so that what
stands left and right of them can be told by looking at the words alone.
"""

from __future__ import annotations

import re
from typing import Final

from perdure.query.columns import QueryError

#: Words that are no values, in one query: three times as many as known clients write.
WORDS_MAX: Final = 600

_FUNCTIONS: Final = {"->": "json_get_json", "->>": "json_as_text"}

_WORD: Final = re.compile(
    r"""
      (?P<space> \s+ | --[^\n]* | /\*.*?\*/ )
    | (?P<value> '(?:[^']|'')*' | \d[\w.]* | , )
    | (?P<name> [^\W\d]\w* | "(?:[^"]|"")*" )
    | (?P<sign> ->> | -> | :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)
#: Words before a parenthesis that do not call anything.
_KEYWORDS: Final = frozenset(
    {
        *("all", "and", "any", "as", "between", "by", "case", "distinct", "else", "end"),
        *("except", "exists", "from", "having", "ilike", "in", "intersect", "is", "join"),
        *("like", "limit", "not", "on", "or", "select", "then", "union", "values", "when", "where"),
    }
)
_CLOSED: Final = {")": "(", "]": "["}
_OPEN: Final = {"(": ")", "[": "]"}


def translate(sql: str) -> str:
    """Write a query so that the SQL engine knows all its operators.

    Raises:
        QueryError: the query is too long, or something is missing on one side of an operator.
    """
    found = list(_WORD.finditer(sql))
    count = sum(not (word["space"] or word["value"]) for word in found)
    if count > WORDS_MAX:
        raise QueryError(
            f"the query has {count} words beside its values, more than {WORDS_MAX}; "
            "write IN (…) instead of OR, or ask in several queries"
        )
    # Comments go: what follows one on its line must not become part of it.
    words = [" " if word["space"] else word[0] for word in found]
    while True:
        place = next((at for at, word in enumerate(words) if word in _FUNCTIONS), None)
        if place is None:
            return "".join(words)
        words = _as_call(words, place)


def _as_call(words: list[str], place: int) -> list[str]:
    """Put a call in place of the first operator, with its two operands."""
    start, end = _operand_before(words, place), _operand_after(words, place)
    left, right = "".join(words[start:place]).strip(), "".join(words[place + 1 : end]).strip()
    call = f"{_FUNCTIONS[words[place]]}({left}, {right})"
    # The call is one word from here on: it may be the left side of the next operator. What stood
    # directly before a parenthesis must not grow into its name.
    return [*words[:start], *([" "] if left.startswith("(") else []), call, *words[end:]]


def _operand_before(words: list[str], place: int) -> int:
    """Find where the operand before an operator begins."""
    at = _skip_space(words, place - 1, -1)
    if at < 0:
        raise _misses_operand(words[place])
    while True:
        if words[at] in _CLOSED:
            at = _other_end(words, at, -1)
            before = at - 1
            at = before if before >= 0 and _is_value(words[before]) else at
        elif not _is_value(words[at]):
            raise _misses_operand(words[place])
        if at < 2 or words[at - 1] not in (".", "::"):
            return at
        at -= 2


def _operand_after(words: list[str], place: int) -> int:
    """Find where the operand after an operator has ended."""
    at = _skip_space(words, place + 1, 1)
    if at >= len(words):
        raise _misses_operand(words[place])
    if words[at] == "-":
        at += 1
    if at < len(words) and words[at] in _OPEN:
        return _other_end(words, at, 1) + 1
    if at >= len(words) or not _is_value(words[at]):
        raise _misses_operand(words[place])
    while at + 2 < len(words) and words[at + 1] == ".":
        at += 2
    at += 1
    while at < len(words) and words[at] in _OPEN:
        at = _other_end(words, at, 1) + 1
    return at


def _other_end(words: list[str], at: int, step: int) -> int:
    """Find the parenthesis that belongs to one."""
    opens, depth = (_OPEN if step > 0 else _CLOSED), 0
    closes = set(opens.values())
    while 0 <= at < len(words):
        depth += (words[at] in opens) - (words[at] in closes)
        if depth == 0:
            return at
        at += step
    raise QueryError("a parenthesis is not closed; write as many ) as (")


def _skip_space(words: list[str], at: int, step: int) -> int:
    while 0 <= at < len(words) and words[at].isspace():
        at += step
    return at


def _is_value(word: str) -> bool:
    if word.isspace() or word.lower() in _KEYWORDS:
        return False
    return len(word) > 1 or word.isalnum() or word == "_"


def _misses_operand(operator: str) -> QueryError:
    return QueryError(
        f"the operator {operator} misses one of its sides; write it as column {operator} 'key'"
    )
