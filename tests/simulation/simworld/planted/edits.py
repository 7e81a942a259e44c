"""Defects of what operators edit and forget, and of how handlers clear their state."""

from __future__ import annotations

from unittest import mock

from perdure.admin import services
from perdure.core.machine import apply, mutations, purging, starts
from perdure.core.machine.entries import effects
from perdure.core.machine.mutations import mutate
from perdure.core.model.mutations import Mutation
from perdure.core.tables.keys import object_group, object_key
from perdure.protocol.messages import ClearAllState
from simworld.planted.change import Change, handler, instead


def edit_what_is_held() -> list[Change]:
    """A state is replaced at once, whoever works on it."""

    def edit(step, body):
        mutation = Mutation(body.mutation_id, body.state, body.version, step.now)
        done = mutate(step, object_group(body.service, body.key), mutation)
        return mutations.Verdict.DONE if done else mutations.Verdict.STATE_CHANGED

    return handler("MutateState", lambda _: edit)


def forget_an_edit_in_line() -> list[Change]:
    """Whoever comes next takes the key, and the edits before it are dropped."""
    return [(starts, "mutate", lambda _step, _group, _mutation: True)]


def edit_any_version() -> list[Change]:
    """The version that an edit was made for does not matter."""

    def any_version(step, group, mutation):
        with mock.patch.object(mutations, "state_version", return_value=mutation.version):
            return mutate(step, group, mutation)

    return [(mutations, "mutate", any_version), (starts, "mutate", any_version)]


def edit_only_what_is_new() -> list[Change]:
    """An edit adds to the state instead of taking its place."""

    def make(real):
        def put_some(step, group, mutation):
            kept = dict(step.tables.states.rows(group))
            done = real(step, group, mutation)
            for key, value in kept.items():
                step.tables.states.put(group, key, value)
            return done

        return put_some

    return instead(mutations, "mutate", make)


def clear_all_but_the_first() -> list[Change]:
    """Clearing all state leaves the first key."""

    def clear(work, command):
        work.journal.command(command)
        group = object_key(work.row.target)
        for key, _ in work.step.tables.states.rows(group)[1:]:
            work.step.tables.states.delete(group, key)

    return [(effects.EFFECTS, ClearAllState, clear)]


def purge_the_result_with_the_journal() -> list[Change]:
    """Whoever forgets how something came about forgets what came of it."""
    return [(apply.HANDLERS, apply.records.PurgeJournal, purging.purge)]


def purge_the_journal_of_who_runs() -> list[Change]:
    """A journal may be forgotten before its end."""

    def purge(step, body):
        row = step.tables.invocations.get(body.invocation_id)
        if row is not None:
            step.tables.journals.drop(body.invocation_id)
        return purging.Verdict.DONE

    return [(apply.HANDLERS, apply.records.PurgeJournal, purge)]


def ignore_the_version_at_the_door() -> list[Change]:
    """The admin API edits a state whatever version it was asked to replace."""

    def make(real):
        async def read_body(request, kind, *rest):
            body = await real(request, kind, *rest)
            if isinstance(body, services.StateChange):
                body.version = None
            return body

        return read_body

    return instead(services, "read_body", make)
