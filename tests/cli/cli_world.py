"""A scripted admin server, and the command line run against it."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from perdure.cli.main import run
from perdure.cli.surroundings import Surroundings

NOW = 1_800_000_000.0
#: Three minutes before now, as the server writes it.
EARLIER = "2027-01-15T07:57:00.000Z"
INVOCATION = "inv_1gvu3oYTu4Ot5dqmNfN3evYbB1MGEIGQww"
OTHER = "inv_14yk1OXtFzJc05MkoctZ54eFg3d9Hmn7BE"


class Sent(NamedTuple):
    """A request that was made."""

    method: str
    path: str
    body: Any


class Admin:
    """Answers by method and path; queries by the first text of the script that they hold.

    An answer is a JSON document, a status with one, or an exception to raise.
    """

    def __init__(
        self,
        answers: Mapping[str, Any] | None = None,
        rows: Mapping[str, list[dict[str, Any]]] | None = None,
    ) -> None:
        self.answers = dict(answers or {})
        self.rows = dict(rows or {})
        self.sent: list[Sent] = []
        self.queries: list[str] = []
        self.headers: list[httpx.Headers] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.headers.append(request.headers)
        path = request.url.raw_path.decode().removeprefix("/v4")
        body = json.loads(request.content) if request.content else None
        if path == "/query":
            self.queries.append(body["query"])
            return httpx.Response(200, json={"rows": self._rows(body["query"])})
        self.sent.append(Sent(request.method, path, body))
        answer = self.answers.get(f"{request.method} {path}", (404, None))
        if isinstance(answer, Exception):
            raise answer
        status, document = answer if isinstance(answer, tuple) else (200, answer)
        if document is None:
            return httpx.Response(status)
        if isinstance(document, str):
            return httpx.Response(status, text=document)
        return httpx.Response(status, json=document)

    def _rows(self, query: str) -> list[dict[str, Any]]:
        return next((rows for text, rows in self.rows.items() if text in query), [])

    @property
    def changes(self) -> list[Sent]:
        """Requests that change something."""
        return [sent for sent in self.sent if sent.method != "GET"]


class Ran(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line of data."""
        return [line.split() for line in self.out.splitlines()]


class StoppedError(Exception):
    """Ends a command that would go on for ever."""


class User:
    """Somebody at a terminal, or a script at none."""

    def __init__(
        self,
        admin: Admin | None = None,
        *,
        home: Path = Path("/nonexistent"),
        environment: Mapping[str, str] | None = None,
        terminal: bool = False,
        answers: bool = False,
        writes: str | None = None,
        pipes: str = "",
    ) -> None:
        self.admin = admin or Admin()
        self.home = home
        self.environment = dict(environment or {})
        self.terminal = terminal
        self.answers = answers
        self.writes = writes
        self.pipes = pipes
        self.edited: str | None = None
        self.looks = 1

    def edit(self, command: list[str]) -> int:
        path = Path(command[-1])
        self.edited = path.read_text()
        if self.writes is not None:
            path.write_text(self.writes)
        return 0

    def sleep(self, _seconds: float) -> None:
        self.looks -= 1
        if not self.looks:
            raise StoppedError

    def runs(self, *words: str) -> Ran:
        """Run a command line."""
        return run_with(self.surroundings(), words)

    def surroundings(self) -> Surroundings:
        """Give the world as this user has it."""
        return Surroundings(
            environment=self.environment,
            home=self.home,
            transport=httpx.MockTransport(self.admin),
            now=lambda: NOW,
            sleep=self.sleep,
            run_editor=self.edit,
            read_input=lambda: self.pipes,
            has_terminal=lambda: self.terminal,
            ask=lambda _question: self.answers,
        )


def run_with(surroundings: Surroundings, words: Sequence[str]) -> Ran:
    """Run a command line, and gather what it says."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(words, surroundings)
        except StoppedError:
            code = -1
    return Ran(code, out.getvalue(), err.getvalue())


def invocation(**columns: Any) -> dict[str, Any]:
    """Make a row of ``sys_invocation``."""
    return {
        "id": INVOCATION,
        "target": "Greeter/greet",
        "target_service_ty": "service",
        "status": "running",
        "created_at": EARLIER,
        "modified_at": EARLIER,
    } | columns
