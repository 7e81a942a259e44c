"""One action on many invocations: find, show, ask, do, and tell what came of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from perdure.cli.admin_api import Answer, ApiError, Row
from perdure.cli.errors import RefusedError
from perdure.cli.output import Output, counted, status_text
from perdure.cli.session import Session
from perdure.cli.sql_text import matching_any, select

#: Requests on their way at the same time.
PARALLEL: Final = 16
#: Rows that are shown before the question; the rest is counted.
PREVIEW_ROWS: Final = 50


@dataclass(frozen=True)
class Action:
    """What can be done to invocations."""

    #: Last segment of the endpoint.
    operation: str
    #: As in "cancel 3 invocations", and "cancelled 3 invocations".
    verb: str
    past: str
    #: SQL that says which invocations it can be done to, and the same for people.
    eligible: str
    eligible_text: str


@dataclass(frozen=True)
class Order:
    """What was asked for on the line."""

    action: Action
    queries: Sequence[str]
    limit: int
    dry_run: bool
    as_json: bool
    #: Parameters of the endpoint.
    parameters: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """What came of one invocation."""

    id: str
    target: str
    #: ``done``, ``accepted`` (the handler has a say in it) or ``failed``.
    outcome: str
    message: str | None = None
    new_invocation_id: str | None = None


def carry_out(session: Session, order: Order) -> None:
    """Do what was ordered, after a preview and a question.

    Raises:
        RefusedError: nothing matches, the answer is no, or some could not be done.
    """
    rows = _find(session, order)
    _preview(session.output, order, rows)
    if order.dry_run:
        return
    count = counted(len(rows), "invocation")
    session.confirm(f"Do you want to {order.action.verb} {count}?")
    outcomes = _act_on_all(session, order, rows)
    _report(session.output, order, outcomes)


def _find(session: Session, order: Order) -> list[Row]:
    columns = ("id", "target", "status")
    table = "sys_invocation"
    meant_ones = matching_any(order.queries)
    rows = session.admin.query(
        select(columns, table, [meant_ones, order.action.eligible], limit=order.limit + 1)
    )
    if len(rows) > order.limit:
        session.output.warn(f"more than {order.limit} match; --limit takes in more")
        del rows[order.limit :]
    if rows:
        return rows
    others = session.admin.query(select(columns, table, [meant_ones], limit=1))
    meant = ", ".join(order.queries)
    if not others:
        raise RefusedError(
            f"no invocation matches {meant}; write an id, Service, Service/handler, Object/key or "
            "Object/key/handler. `perdure invocations list --all` shows what there is"
        )
    raise RefusedError(
        f"no invocation that matches {meant} is {order.action.eligible_text}; "
        f"{others[0]['id']} is {others[0]['status']}"
    )


def _preview(output: Output, order: Order, rows: Sequence[Row]) -> None:
    if order.dry_run and order.as_json:
        output.json(list(rows))
        return
    shown = rows if order.dry_run else rows[:PREVIEW_ROWS]
    table = output.table(
        ["ID", "TARGET", "STATUS"],
        [(row["id"], row["target"], status_text(row["status"])) for row in shown],
    )
    if order.dry_run:
        output.data(table)
    else:
        output.note(table)
    if len(rows) > len(shown):
        output.note(f"... and {len(rows) - len(shown)} more")


def _act_on_all(session: Session, order: Order, rows: Sequence[Row]) -> list[Outcome]:
    outcomes = []
    progress = Progress(
        TextColumn(order.action.verb),
        BarColumn(),
        MofNCompleteColumn(),
        console=session.output.err,
        transient=True,
        disable=not session.output.err.is_terminal or session.options.quiet,
    )
    act = _actor(session, order)
    with progress, ThreadPoolExecutor(PARALLEL) as pool:
        task = progress.add_task("", total=len(rows))
        try:
            for part in _in_turn(rows):
                for outcome in pool.map(act, part):
                    outcomes.append(outcome)
                    progress.advance(task)
        except BaseException:
            # An interrupted or unreachable run leaves the rest alone.
            pool.shutdown(wait=False, cancel_futures=True)
            session.output.warn(f"stopped: {len(outcomes)} of {len(rows)} are known to be done")
            raise
    return outcomes


def _in_turn(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Put what waits in the queue of a key before what holds it, whose end would let it begin."""
    waiting = [row for row in rows if row["status"] == "pending"]
    others = [row for row in rows if row["status"] != "pending"]
    return waiting, others


def _actor(session: Session, order: Order) -> Callable[[Row], Outcome]:
    def act(row: Row) -> Outcome:
        path = f"/invocations/{row['id']}/{order.action.operation}"
        try:
            answer = session.admin.send("PATCH", path, **order.parameters)
        except ApiError as error:
            return Outcome(row["id"], row["target"], "failed", message=str(error))
        return _outcome(row, answer)

    return act


def _outcome(row: Row, answer: Answer) -> Outcome:
    body: dict[str, Any] = answer.body or {}
    outcome = "accepted" if answer.status == 202 else "done"
    new_id = body.get("new_invocation_id")
    return Outcome(row["id"], row["target"], outcome, new_invocation_id=new_id)


def _report(output: Output, order: Order, outcomes: Sequence[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
    restarted = [outcome for outcome in outcomes if outcome.new_invocation_id is not None]
    if order.as_json:
        output.json([_document(outcome) for outcome in outcomes])
    elif restarted:
        rows = [(outcome.id, outcome.new_invocation_id) for outcome in restarted]
        output.data(output.table(["OLD ID", "NEW ID"], rows))
    succeeded = len(outcomes) - len(failed)
    if succeeded:
        output.done(f"{order.action.past} {counted(succeeded, 'invocation')}")
    if failed:
        told = "\n".join(f"  {outcome.id}: {outcome.message}" for outcome in failed[:PREVIEW_ROWS])
        raise RefusedError(
            f"could not {order.action.verb} {counted(len(failed), 'invocation')}:\n{told}"
        )


def _document(outcome: Outcome) -> dict[str, Any]:
    return {name: value for name, value in asdict(outcome).items() if value is not None}
