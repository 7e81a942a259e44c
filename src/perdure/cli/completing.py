"""Words that fit, for the tab key: names and ids that the server knows right now.

Nobody waits for a tab key. A server that does not answer at once, or not as it should, completes
nothing, and nothing is said about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from perdure.cli.admin_api import AdminApi
from perdure.cli.environments import read_environments
from perdure.cli.errors import CommandError
from perdure.cli.examples import examples_folder, list_examples
from perdure.cli.global_options import read_global_options
from perdure.cli.session import Session
from perdure.cli.sql_text import is_in, select
from perdure.cli.surroundings import Surroundings

#: For a connection to stand and for an answer to be there, in milliseconds.
CONNECT_MS: Final = 300
ANSWER_MS: Final = 1_000
#: More than these nobody reads.
WORDS_MAX: Final = 100

OPEN: Final = "status != 'completed'"
ENDED: Final = "status = 'completed'"


class Word(NamedTuple):
    """A word, and what to know of it."""

    text: str
    about: str = ""


#: What a parameter is given to complete it, as click calls it.
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
Ask = Callable[[AdminApi, click.Context], Iterable[Word]]


def asking(ask: Ask) -> Completer:
    """Make a completer of what asks the server."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del parameter  # What may stand there does not depend on how it is called.
        surroundings = context.find_object(Surroundings) or Surroundings()
        options = read_global_options(context)
        hurried = options._replace(connect_timeout=CONNECT_MS, request_timeout=ANSWER_MS)
        with closing(Session(surroundings, hurried._replace(verbose=0))) as session:
            try:
                words = list(ask(session.admin, context))
            except (CommandError, LookupError, TypeError):
                return []  # No server, or none that answers as ours does.
        return _fitting(words, incomplete)

    return complete


def environments(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of environments."""
    try:
        names = read_environments(context.find_object(Surroundings) or Surroundings())
    except CommandError:
        return []
    return _fitting(map(Word, names), incomplete)


def examples(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of examples."""
    try:
        found = list_examples(examples_folder())
    except CommandError:
        return []
    return _fitting((Word(*example) for example in found), incomplete)


def invocations(*conditions: str) -> Completer:
    """Complete ids of invocations: of those that meet one of the conditions, in their order."""
    return asking(lambda admin, _context: _invocations(admin, conditions))


def queries(condition: str) -> Completer:
    """Complete what names invocations: services first, then ids."""

    def ask(admin: AdminApi, _context: click.Context) -> Iterable[Word]:
        return chain(_services(admin), _invocations(admin, (condition,)))

    return asking(ask)


def _fitting(words: Iterable[Word], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(word.text, help=word.about or None)
        for word in words
        if word.text.startswith(incomplete)
    ][:WORDS_MAX]


def _services(admin: AdminApi) -> Iterator[Word]:
    for row in admin.get("/services")["services"]:
        yield Word(row["name"], str(row.get("ty", "")))


def _objects(admin: AdminApi, _context: click.Context) -> Iterator[Word]:
    return (word for word in _services(admin) if word.about != "Service")


def _keys(admin: AdminApi, context: click.Context) -> Iterator[Word]:
    """Give keys that have state, of the service that stands before them."""
    columns, named = ["DISTINCT service_key"], context.params.get("service")
    wanted = [is_in("service_name", [named])] if named else []
    for row in admin.query(select(columns, "state", wanted, limit=WORDS_MAX)):
        yield Word(row["service_key"])


def _deployments(admin: AdminApi, _context: click.Context) -> Iterator[Word]:
    for row in admin.get("/deployments")["deployments"]:
        yield Word(row["id"], str(row.get("uri", row.get("arn", ""))))


def _clusters(admin: AdminApi, _context: click.Context) -> Iterator[Word]:
    for row in admin.get("/kafka-clusters")["clusters"]:
        yield Word(row["name"])


def _subscriptions(admin: AdminApi, _context: click.Context) -> Iterator[Word]:
    for row in admin.get("/subscriptions")["subscriptions"]:
        yield Word(row["id"], f"{row['source']} to {row['sink']}")


def _rules(admin: AdminApi, _context: click.Context) -> Iterator[Word]:
    columns = ["pattern", "description"]
    for row in admin.query(select(columns, "sys_rules", order="pattern", limit=WORDS_MAX)):
        yield Word(row["pattern"], str(row.get("description", "")))


def _vqueues(admin: AdminApi, _context: click.Context) -> Iterator[Word]:
    columns = ["id", "service_name"]
    for row in admin.query(select(columns, "sys_vqueue_meta", limit=WORDS_MAX)):
        yield Word(row["id"], str(row.get("service_name", "")))


def _invocations(admin: AdminApi, conditions: Iterable[str]) -> Iterator[Word]:
    # Without an order, so that the server can stop as soon as it has found enough.
    for condition in conditions:
        columns = ["id", "target", "status"]
        query = select(columns, "sys_invocation", [condition], limit=WORDS_MAX)
        for row in admin.query(query):
            yield Word(row["id"], f"{row['target']} {row['status']}")


services: Final = asking(lambda admin, _context: _services(admin))
objects: Final = asking(_objects)
keys: Final = asking(_keys)
deployments: Final = asking(_deployments)
clusters: Final = asking(_clusters)
subscriptions: Final = asking(_subscriptions)
rules: Final = asking(_rules)
vqueues: Final = asking(_vqueues)
