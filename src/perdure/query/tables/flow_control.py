"""Tables of flow control: its rules; and the rest, which is not here: declared, and empty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perdure.core.model.rules import Rule
from perdure.engine.moment import Moment
from perdure.query.columns import Column, Kind, Table, Wanted, always_null, sliced

_CAUSES: Final = (
    "invoker_concurrency",
    "throttling_rules",
    "invoker_throttling",
    "invoker_memory",
    "concurrency_rules",
    "lock",
    "deployment_concurrency",
)


def _no_rows(_moment: Moment, _wanted: Wanted) -> Iterator[list[object]]:
    return iter(())


def _rules(moment: Moment, _wanted: Wanted) -> Iterator[list[Rule]]:
    return sliced(rule for _, rule in sorted(moment.rule_book.rules.items()))


def _column(name: str, kind: Kind, description: str) -> Column:
    return Column(name, kind, description, always_null)


def _texts(**descriptions: str) -> tuple[Column, ...]:
    return tuple(_column(name, Kind.TEXT, told) for name, told in descriptions.items())


def _instants(**descriptions: str) -> tuple[Column, ...]:
    return tuple(_column(name, Kind.INSTANT, told) for name, told in descriptions.items())


def _counts(kind: Kind, **descriptions: str) -> tuple[Column, ...]:
    return tuple(_column(name, kind, told) for name, told in descriptions.items())


def _spans(pattern: str, causes: tuple[str, ...], description: str) -> tuple[Column, ...]:
    """Declare durations, one for each cause; the pattern's star is its name."""
    return tuple(
        _column(pattern.replace("*", cause), Kind.SPAN, description.format(cause.replace("_", " ")))
        for cause in causes
    )


def _table(name: str, description: str, *columns: Column) -> Table:
    return Table(name, f"{description} Empty: there is no flow control.", columns, _no_rows)


_PARTITION: Final = _column("partition_key", Kind.UINT64, "The shard")
_SCOPE: Final = _column("scope", Kind.TEXT, "The scope")
_PASSED: Final = (
    *_counts(
        Kind.UINT32,
        num_attempts="Attempts",
        num_errors="Failed attempts",
        num_pauses="How often it was paused",
        num_suspensions="How often it was suspended",
        num_yields="How often it gave way",
    ),
    *_instants(
        first_attempt_at="When its first attempt began",
        latest_attempt_at="When its latest attempt began",
        first_runnable_at="When it could have begun",
    ),
    *_texts(deployment="The deployment it goes on with"),
)
_HISTORY: Final = _instants(
    created_at="When it was put in", transitioned_at="When its stage changed last"
)

RULES: Final = Table(
    "sys_rules",
    "Rules that limit concurrency. They apply to invocations with a scope, which the ingress does "
    "not take yet.",
    (
        Column("pattern", Kind.TEXT, "What it applies to", lambda rule: rule.pattern),
        Column(
            "concurrency",
            Kind.UINT32,
            "How many may run; null sets no limit",
            lambda rule: rule.concurrency,
        ),
        Column("description", Kind.TEXT, "What it is for", lambda rule: rule.description),
        Column("disabled", Kind.BOOLEAN, "Whether it is out of force", lambda rule: rule.disabled),
        Column("version", Kind.UINT32, "Its version", lambda rule: rule.version),
        Column(
            "last_modified",
            Kind.INSTANT,
            "When it got this version",
            lambda rule: rule.modified_at,
        ),
    ),
    _rules,
    shared=True,
)

TABLES: Final = (
    _table(
        "sys_locks",
        "Keys that an invocation holds under flow control.",
        _PARTITION,
        _SCOPE,
        *_texts(lock_name="`Service/key`"),
        *_instants(acquired_at="Since when it is held"),
        *_texts(acquired_by="Who holds it"),
    ),
    RULES,
    _table(
        "sys_scheduler",
        "Heads of queues, and what they wait for.",
        _PARTITION,
        *_texts(id="The queue's id"),
        *_counts(Kind.UINT64, num_inbox="Entries that wait"),
        *_texts(status="State of the head", head_entry_id="The first entry that waits"),
        *_instants(scheduled_at="When the head is due"),
        *_texts(blocked_on="What the head waits for", blocked_on_json="The same, in detail"),
        *_spans("*_block_duration", _CAUSES, "How long it waited for {}"),
    ),
    _table(
        "sys_user_limits",
        "Counters of limits.",
        _PARTITION,
        _SCOPE,
        *_texts(l1="First level of the limit key", l2="Second level", level="Which level counts"),
        *_counts(Kind.UINT32, usage="How many run", concurrency_limit="How many may"),
        *_texts(rule_pattern="The rule that says so"),
        *_counts(Kind.UINT32, available="How many more may"),
        *_counts(Kind.UINT64, num_waiters="Queues that wait"),
    ),
    _table(
        "sys_vqueue_entry_status",
        "Entries of queues, with how long they waited for what.",
        _PARTITION,
        *_texts(
            entry_id="The entry's id",
            vqueue_id="The queue's id",
            stage="Where it is in the queue",
            status="What became of it",
        ),
        _column("has_lock", Kind.BOOLEAN, "Whether it holds its key"),
        *_instants(next_at="When it is due"),
        *_counts(Kind.UINT64, sequence_number="Its place"),
        *_texts(entry_kind="`invocation` or `state-mutation`"),
        *_HISTORY,
        *_PASSED,
        *_counts(Kind.UINT64, needed_memory="Bytes it needs"),
        *_counts(
            Kind.UINT32,
            retry_attempts="Attempts after failures",
            retry_count_since_last_stored_command="The same since it last progressed",
        ),
        *_spans(
            "latest_attempt_blocked_on_*", _CAUSES, "How long its latest attempt waited for {}"
        ),
        *_spans("total_blocked_on_*", _CAUSES, "How long it waited for {}"),
    ),
    _table(
        "sys_vqueue_meta",
        "Queues.",
        _PARTITION,
        *_texts(id="The queue's id"),
        _column("is_active", Kind.BOOLEAN, "Whether it has work to do"),
        _column("queue_is_paused", Kind.BOOLEAN, "Whether it was paused"),
        *_texts(
            service_name="The service",
            scope="The scope",
            limit_key="The limit key",
            lock_name="`Service/key`",
        ),
        *_instants(
            created_at="When it was made",
            last_enqueued_at="When an entry came last",
            last_start_at="When an entry began last",
            last_attempt_at="When an attempt began last",
            last_finish_at="When an entry ended last",
        ),
        *_spans(
            "avg_*_duration", ("queue", "inbox", "run", "suspension", "end_to_end"), "Average: {}"
        ),
        *_spans(
            "avg_blocked_on_*",
            ("concurrency_rules", "invoker_concurrency", "invoker_throttling", "lock"),
            "Average wait for {}",
        ),
        *_counts(
            Kind.UINT64,
            num_inbox="Entries that wait",
            num_running="Entries that run",
            num_suspended="Entries that are suspended",
            num_paused="Entries that are paused",
            num_finished="Entries that ended",
        ),
    ),
    _table(
        "sys_vqueues",
        "Entries of queues.",
        _PARTITION,
        *_texts(id="The queue's id", stage="Where it is in the queue", status="What became of it"),
        _column("has_lock", Kind.BOOLEAN, "Whether it holds its key"),
        *_instants(run_at="When it is due"),
        *_counts(Kind.UINT64, sequence_number="Its place"),
        *_texts(entry_id="The entry's id", entry_kind="`invocation` or `state-mutation`"),
        *_HISTORY,
        *_PASSED,
    ),
)
