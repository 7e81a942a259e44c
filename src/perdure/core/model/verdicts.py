"""What became of a request to change an invocation."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from perdure.core.model.invocations import Invocation


class Verdict(StrEnum):
    """The answer to a request such as cancel or resume."""

    #: Done, and visible.
    DONE = "done"
    #: Accepted; the handler has a say in it.
    ACCEPTED = "accepted"
    NOT_FOUND = "not_found"
    #: The request is for invocations that have not ended; this one has.
    ALREADY_COMPLETED = "already_completed"
    #: The request is for invocations that have ended; this one has not.
    NOT_COMPLETED = "not_completed"
    #: The invocation is scheduled or waits in line.
    NOT_STARTED = "not_started"
    #: The request is for invocations that run; this one does not.
    NOT_RUNNING = "not_running"
    #: A workflow cannot be restarted.
    WORKFLOW = "workflow"
    #: The journal is gone.
    JOURNAL_GONE = "journal_gone"
    #: The prefix holds a command whose completion is missing, or ends past the journal.
    BAD_PREFIX = "bad_prefix"
    #: A running invocation cannot change its deployment.
    CHANGE_REFUSED = "change_refused"
    #: The state is not the one that was to be replaced.
    STATE_CHANGED = "state_changed"


class Admission(Struct, frozen=True):
    """The answer to a request to run a handler.

    ``existing`` is the row of the invocation that had this id already, if one had.
    """

    execution_time: int | None
    existing: Invocation | None = None


Reply = Verdict | Admission | None
