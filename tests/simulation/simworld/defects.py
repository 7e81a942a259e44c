"""Defects to be planted: what the checkers must find, one at a time.

Each is a small change of the real code, made for the length of a ``with``. A defect that no seed
finds is a hole in the checkers or in the workload.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

from simworld.planted import crossing, edits, keys, messages, sdk, storage, streams
from simworld.planted.change import Change


@dataclass(frozen=True)
class Defect:
    """One defect: a name, what is wrong with it, and the changes that plant it."""

    name: str
    breaks: str
    changes: Callable[[], list[Change]]
    #: How many partitions the server has in which it is looked for.
    partitions: int = 1

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """Have the defect for a while."""
        with contextlib.ExitStack() as stack:
            for owner, name, value in self.changes():
                if isinstance(owner, dict):
                    stack.enter_context(mock.patch.dict(owner, {name: value}))
                else:
                    stack.enter_context(mock.patch.object(owner, name, value))
            yield


DEFECTS: tuple[Defect, ...] = tuple(
    Defect(change.__name__.replace("_", " "), breaks, change)
    for change, breaks in (
        (storage.acknowledge_before_sync, "I1"),
        (storage.no_sync, "I1"),
        (storage.cut_a_whole_record, "I1"),
        (storage.skip_a_failed_write, "I1"),
        (storage.sync_again_after_a_failed_sync, "I1"),
        (storage.trim_what_the_store_may_lose, "I8"),
        (storage.store_ahead_of_its_rows, "I2"),
        (storage.store_names_a_later_record, "I2"),
        (storage.lead_on_after_the_store_failed, "I2"),
        (storage.forget_deletes, "I2"),
        (storage.flush_a_row_as_it_was, "I2"),
        (storage.resume_nothing, "I6"),
        (storage.resume_one_page, "I6"),
        (storage.forget_a_timer_at_restart, "I6"),
        (storage.forget_retention_at_restart, "I6"),
        (keys.apply_an_old_epoch, "I3"),
        (keys.take_the_word_of_an_old_attempt, "I4"),
        (keys.do_not_abort, "I4"),
        (sdk.start_twice, "I4"),
        (keys.admit_two, "I5"),
        (keys.last_comes_first, "I5"),
        (keys.lose_the_line_on_kill, "I5"),
        (messages.sleep_through_a_late_wake_up, "I6"),
        (messages.do_not_wake, "I6"),
        (messages.answer_twice, "I7"),
        (messages.answer_only_the_first, "I6"),
        (messages.answer_only_one_client, "I6"),
        (messages.forward_twice, "I7"),
        (messages.do_not_forward_while_closing, "I6"),
        (messages.forget_idempotency, "I7"),
        (messages.forget_idempotency_of_the_ended, "I7"),
        (messages.fire_twice, "I7"),
        (messages.complete_a_promise_again, "I7"),
        (messages.ring_early, "never early"),
        (messages.forget_timers_behind_the_window, "I6"),
        (messages.start_delayed_requests_at_once, "never early"),
        (messages.no_second_retry, "I6"),
        (keys.kill_the_parent_only, "finish"),
        (keys.pause_without_stopping, "I4"),
        (keys.purge_the_row_only, "no growth"),
        (keys.purge_nothing, "no growth"),
        (sdk.reuse_a_completion_id, "I7"),
        (sdk.run_again_what_is_known, "I7"),
        (sdk.deliver_the_newest_first, "replay"),
        (sdk.see_before_durable, "I1"),
        (sdk.suspend_for_nothing, "I6"),
        (sdk.keep_the_slot, "no growth"),
        (storage.believe_what_is_damaged, "I2"),
        (storage.believe_a_damaged_header, "I1"),
        (storage.cut_what_is_damaged, "I1"),
        (storage.skip_what_is_damaged, "I2"),
        (storage.take_a_refusal_for_a_success, "I3"),
        (edits.edit_what_is_held, "I5"),
        (edits.forget_an_edit_in_line, "I6"),
        (edits.edit_any_version, "I7"),
        (edits.edit_only_what_is_new, "I2"),
        (edits.clear_all_but_the_first, "I2"),
        (edits.purge_the_result_with_the_journal, "I7"),
        (edits.purge_the_journal_of_who_runs, "replay"),
        (edits.ignore_the_version_at_the_door, "I7"),
        (streams.forget_half_a_message, "wire"),
        (streams.say_again_what_was_not_said, "wire"),
        (streams.announce_a_shorter_journal, "replay"),
        (streams.swallow_the_second_message, "wire"),
        (streams.end_with_the_stream, "finish"),
        (streams.run_on_the_newest, "one deployment"),
        (streams.forget_where_it_runs, "one deployment"),
        (streams.drop_what_is_pinned, "one deployment"),
    )
) + tuple(
    Defect(change.__name__.replace("_", " "), breaks, change, partitions=2)
    for change, breaks in (
        (crossing.acknowledge_a_parcel_at_once, "I1"),
        (crossing.take_a_parcel_again, "I7"),
        (crossing.forget_what_was_taken, "I7"),
        (crossing.ship_only_what_is_new, "I6"),
        (crossing.forget_one_too_many, "I6"),
        (crossing.forget_nothing_that_was_shipped, "no growth"),
        (crossing.ship_the_newest_first, "order"),
        (crossing.run_whatever_comes, "I3"),
        (crossing.ask_nobody_else, "I3"),
        (crossing.publish_nothing, "registry"),
    )
)
