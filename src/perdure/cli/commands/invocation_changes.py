"""Commands that change invocations, one or many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from perdure.cli import completing
from perdure.cli.bulk import Action, Order, carry_out
from perdure.cli.groups import AdminCommand
from perdure.cli.session import Session, with_session
from perdure.cli.views import Command, output_option

LIMIT_DEFAULT: Final = 500
_NOT_ENDED: Final = ("status != 'completed'", "still to end")
_ENDED: Final = ("status = 'completed'", "completed")

CANCEL: Final = Action("cancel", "cancel", "cancelled", *_NOT_ENDED)
KILL: Final = Action("kill", "kill", "killed", *_NOT_ENDED)
PURGE: Final = Action("purge", "purge", "purged", *_ENDED)
PURGE_JOURNAL: Final = Action("purge-journal", "purge the journal of", "purged", *_ENDED)
RESTART: Final = Action("restart-as-new", "restart", "restarted", *_ENDED)
PAUSE: Final = Action(
    "pause",
    "pause",
    "paused",
    "status IN ('running', 'ready', 'backing-off', 'suspended')",
    "running, backing off or suspended",
)
RESUME: Final = Action(
    "resume",
    "resume",
    "resumed",
    "status IN ('paused', 'running', 'ready', 'backing-off', 'suspended')",
    "paused, suspended, backing off or running",
)


def _bulk(action: Action) -> Callable[[Command], Command]:
    """Give a command the arguments and options of all bulk actions."""
    meant = completing.queries(action.eligible)
    decorators: tuple[Callable[[Command], Command], ...] = (
        click.argument(
            "queries", metavar="QUERY...", nargs=-1, required=True, shell_complete=meant
        ),
        click.option(
            "--limit",
            type=click.IntRange(1),
            default=LIMIT_DEFAULT,
            show_default=True,
            help="Most invocations to take in.",
        ),
        click.option("--dry-run", is_flag=True, help="Show which are meant, and leave."),
        output_option,
        with_session,
    )

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


@click.command(cls=AdminCommand)
@click.option("--kill", "as_kill", is_flag=True, help="Kill instead.")
@_bulk(CANCEL)
def cancel(
    session: Session,
    queries: tuple[str, ...],
    limit: int,
    *,
    dry_run: bool,
    as_json: bool,
    as_kill: bool,
) -> None:
    """Cancel invocations: their handlers get to clean up.

    QUERY is an id, Service, Service/handler, Object/key or Object/key/handler.
    """
    action = KILL if as_kill else CANCEL
    carry_out(session, Order(action, queries, limit, dry_run, as_json, {}))


@click.command(cls=AdminCommand)
@_bulk(KILL)
def kill(
    session: Session, queries: tuple[str, ...], limit: int, *, dry_run: bool, as_json: bool
) -> None:
    """End invocations at once, without a word to their handlers.

    What they did so far stays done, and nothing is cleaned up. QUERY is an id, Service,
    Service/handler, Object/key or Object/key/handler.
    """
    carry_out(session, Order(KILL, queries, limit, dry_run, as_json, {}))


@click.command(cls=AdminCommand)
@_bulk(PAUSE)
def pause(
    session: Session, queries: tuple[str, ...], limit: int, *, dry_run: bool, as_json: bool
) -> None:
    """Pause invocations until they are resumed.

    QUERY is an id, Service, Service/handler, Object/key or Object/key/handler.
    """
    carry_out(session, Order(PAUSE, queries, limit, dry_run, as_json, {}))


@click.command(cls=AdminCommand)
@click.option(
    "--deployment",
    metavar="ID",
    shell_complete=completing.deployments,
    help="Go on there: latest, keep or an id.",
)
@_bulk(RESUME)
def resume(
    session: Session,
    queries: tuple[str, ...],
    limit: int,
    *,
    dry_run: bool,
    as_json: bool,
    deployment: str | None,
) -> None:
    """Resume paused invocations, or retry now those that back off.

    QUERY is an id, Service, Service/handler, Object/key or Object/key/handler.
    """
    parameters = {} if deployment is None else {"deployment": deployment}
    carry_out(session, Order(RESUME, queries, limit, dry_run, as_json, parameters))


@click.command("restart-as-new", cls=AdminCommand)
@click.option(
    "--deployment",
    metavar="ID",
    shell_complete=completing.deployments,
    help="Run there: latest, keep or an id.",
)
@click.option(
    "--from",
    "upto_index",
    type=click.IntRange(0),
    metavar="INDEX",
    help="Keep the journal up to this entry, included [0, the input].",
)
@_bulk(RESTART)
def restart_as_new(
    session: Session,
    queries: tuple[str, ...],
    limit: int,
    *,
    dry_run: bool,
    as_json: bool,
    deployment: str | None,
    upto_index: int | None,
) -> None:
    """Run completed invocations again, under new ids.

    Workflows cannot be restarted: run them under a new key. QUERY is an id, Service,
    Service/handler, Object/key or Object/key/handler.
    """
    parameters = {} if deployment is None else {"deployment": deployment}
    if upto_index is not None:
        parameters["from"] = str(upto_index)
    carry_out(session, Order(RESTART, queries, limit, dry_run, as_json, parameters))


@click.command(cls=AdminCommand)
@click.option("--journal-only", is_flag=True, help="Forget the journal, and keep the result.")
@_bulk(PURGE)
def purge(
    session: Session,
    queries: tuple[str, ...],
    limit: int,
    *,
    dry_run: bool,
    as_json: bool,
    journal_only: bool,
) -> None:
    """Forget completed invocations.

    Their results can no longer be had, and their idempotency keys are free again. QUERY is an id,
    Service, Service/handler, Object/key or Object/key/handler.
    """
    action = PURGE_JOURNAL if journal_only else PURGE
    carry_out(session, Order(action, queries, limit, dry_run, as_json, {}))
