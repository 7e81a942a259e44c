"""A journal as a timeline: what happened when, how long it took, and what came of it.

The journal lists commands of the handler and notifications that complete them. Here a command and
its completion are one step; failed attempts stand between the steps where they happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from perdure.cli.admin_api import Row
from perdure.cli.times import parse_time

#: Characters of a value that are shown.
PREVIEW_CHARACTERS: Final = 120
#: Index of the signal that cancels.
_CANCEL_SIGNAL: Final = 1
#: Where entries say which completion they wait for.
_COMPLETION_KEYS: Final = ("completion_id", "result_completion_id")


@dataclass
class Step:
    """One line of a timeline."""

    #: Index in the journal; for an event, of the entry it came after.
    index: int
    #: ``command``, ``signal`` or ``event``.
    kind: str
    #: Such as ``Run`` or ``TransientError``.
    type: str
    #: What it is about: a name, a target, a key.
    detail: str
    #: When, as the server wrote it.
    at: str | None
    #: Seconds since the first entry.
    offset_s: float | None
    #: Seconds until it was completed; None if it was not, or need not be.
    took_s: float | None = None
    #: ``success``, ``failure``, ``waiting``, or nothing.
    result: str = ""
    #: The value or the failure's text.
    value: str = ""


class Timeline:
    """Turns rows into steps, also those that arrive later."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._start: float | None = None
        self._waiting: dict[int, Step] = {}

    def add(self, row: Row) -> Step | None:
        """Take a row of ``sys_journal``, in order; give the step it began or completed."""
        kind, _, entry_type = row["entry_type"].partition(": ")
        body = _body(row)
        if kind == "Notification":
            return self._complete(row, entry_type, body)
        step = self._step(row, "command", entry_type, _detail(entry_type, row, body))
        completion = next((body[key] for key in _COMPLETION_KEYS if key in body), None)
        if completion is not None:
            step.result = "waiting"
            self._waiting[completion] = step
        else:
            _settle(step, body)
        return step

    def add_event(self, row: Row) -> Step:
        """Take a row of ``sys_journal_events``."""
        event = json.loads(row.get("event_json") or "{}")
        failure = event.get("last_failure") or event
        step = self._step(row, "event", row["event_type"], _command_of(failure))
        message = failure.get("error_message")
        if message is not None:
            step.result, step.value = "failure", f"[{failure.get('error_code')}] {message}"
        return step

    def _step(self, row: Row, kind: str, type_: str, detail: str) -> Step:
        at = row.get("appended_at")
        index = row["after_journal_entry_index"] if kind == "event" else row["index"]
        step = Step(index, kind, type_, detail, at, self._offset(at))
        self.steps.append(step)
        return step

    def _offset(self, at: str | None) -> float | None:
        if at is None:
            return None
        moment = parse_time(at)
        if self._start is None:
            self._start = moment
        return moment - self._start

    def _complete(self, row: Row, entry_type: str, body: Mapping[str, Any]) -> Step | None:
        if entry_type == "Signal":
            step = self._step(row, "signal", "Signal", _signal_name(body.get("id", {})))
            _settle(step, body)
            return step
        waiting = self._waiting.pop(body.get("completion_id", -1), None)
        if waiting is None:
            return None  # the id of a called invocation, which its command shows already
        offset = self._offset(row.get("appended_at"))
        if offset is not None and waiting.offset_s is not None:
            waiting.took_s = offset - waiting.offset_s
        waiting.result = "success"
        _settle(waiting, body)
        return waiting


def make_timeline(entries: Iterable[Row], events: Iterable[Row]) -> list[Step]:
    """Turn a journal and its events into steps, in the order in which they happened."""
    timeline = Timeline()
    for row in merge(entries, events):
        if "event_type" in row:
            timeline.add_event(row)
        else:
            timeline.add(row)
    return timeline.steps


def merge(entries: Iterable[Row], events: Iterable[Row]) -> Sequence[Row]:
    """Put events after the entries that they came after."""
    placed = [((row["index"], 0), row) for row in entries]
    placed += [((row["after_journal_entry_index"], 1), row) for row in events]
    placed.sort(key=lambda pair: pair[0])
    return [row for _, row in placed]


def _body(row: Row) -> dict[str, Any]:
    """Give the innermost part of an entry's JSON, whatever it is wrapped in."""
    document = json.loads(row.get("entry_json") or "{}")
    for wrapper in ("Command", "Notification", "Completion", "Signal"):
        if isinstance(document.get(wrapper), dict):
            document = document[wrapper]
    _, _, entry_type = row["entry_type"].partition(": ")
    inner = document.get(entry_type)
    return inner if isinstance(inner, dict) else document


def _detail(entry_type: str, row: Row, body: Mapping[str, Any]) -> str:
    parts = list(_parts(entry_type, body))
    name = row.get("name") or body.get("name")
    if name:
        parts.insert(0, str(name))
    return " ".join(parts)


def _parts(entry_type: str, body: Mapping[str, Any]) -> Iterator[str]:
    request = body.get("request", body)
    if "invocation_target" in request:
        yield f"{_target(request['invocation_target'])} {request.get('invocation_id', '')}".strip()
    if entry_type == "Sleep" and "wake_up_time" in body:
        yield f"until {_wake_text(body['wake_up_time'])}"
    if entry_type == "CompleteAwakeable":
        yield str(body.get("id", ""))
    if isinstance(body.get("key"), str):
        yield body["key"]
    if "target_invocation_id" in body:
        yield f"{_signal_name(body.get('signal_id', {}))} to {body['target_invocation_id']}"
    if isinstance(body.get("target"), dict):
        yield " ".join(str(value) for value in body["target"].values())


def _wake_text(wake_at_ms: int) -> str:
    return datetime.fromtimestamp(wake_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _target(target: Mapping[str, Any]) -> str:
    """Write a call's target as operators know it."""
    described = next(iter(target.values()), None)
    if not isinstance(described, dict):
        return str(target)
    parts = [described.get("name"), described.get("key"), described.get("handler")]
    return "/".join(str(part) for part in parts if part is not None)


def _signal_name(signal: Mapping[str, Any]) -> str:
    number = signal.get("Index", signal.get("SignalIndex"))
    if number == _CANCEL_SIGNAL:
        return "cancel"
    return str(signal.get("Name", signal.get("SignalName", number)))


def _command_of(failure: Mapping[str, Any]) -> str:
    """Name the command during which an attempt failed, if the handler told."""
    kind, name = failure.get("related_command_type"), failure.get("related_command_name")
    return f"during {' '.join(part for part in (kind, name) if part)}" if kind or name else ""


def _settle(step: Step, body: Mapping[str, Any]) -> None:
    """Note the value or the failure that an entry carries."""
    result = body.get("result", body.get("value"))
    if step.type == "Input":
        step.value = _text(body.get("payload"))
    elif isinstance(result, dict) and "Failure" in result:
        failure = result["Failure"]
        step.result = "failure"
        step.value = f"[{failure.get('code')}] {failure.get('message')}"
    elif isinstance(result, dict) and "Success" in result:
        step.result, step.value = "success", _text(result["Success"])
    elif isinstance(result, list):
        step.value = _text(result)
    elif isinstance(body.get("state_keys"), list):
        step.value = ", ".join(str(key) for key in body["state_keys"])


def _text(payload: Any) -> str:
    """Show the start of a value, given as numbers of bytes."""
    if not isinstance(payload, list):
        return ""
    data = bytes(payload)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"{len(data)} bytes"
    if len(text) <= PREVIEW_CHARACTERS:
        return text
    return f"{text[:PREVIEW_CHARACTERS]}... ({len(data)} bytes)"
