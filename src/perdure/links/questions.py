"""What the processes of a server ask each other: every question, and the type of its answer.

The numbers of the questions are of no consequence outside of a running server: all of its processes
are of the same version.
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from perdure.core.model.invocations import Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.records import Delivered, Invoke, SignalReceived
from perdure.core.model.verdicts import Verdict
from perdure.engine.moment import Search
from perdure.engine.reception import Change, Finding, Submission
from perdure.engine.registry import Edition
from perdure.engine.waiters import Answer
from perdure.protocol.ids import DeploymentId, InvocationId


class Question(Struct, frozen=True, array_like=True, tag=-1):
    """Anything that is asked over a link."""

    #: Type of the answer.
    answer: ClassVar[Any] = None
    #: Whether it is refused while too much waits for the link already.
    refusable: ClassVar[bool] = True


# ---------------------------------------------------------------------------------------------
# Messages between partitions


class ReadTaken(Question, frozen=True, tag=0):
    """Up to which number have you taken the messages of this partition?"""

    answer: ClassVar[Any] = int
    refusable: ClassVar[bool] = False

    source: int


class TakeParcel(Question, frozen=True, tag=1):
    """Take these messages; up to which number have you, durably?"""

    answer: ClassVar[Any] = int
    refusable: ClassVar[bool] = False

    parcel: Delivered


# ---------------------------------------------------------------------------------------------
# The registry, which the first partition's process keeps


class FollowRegistry(Question, frozen=True, tag=10):
    """What is registered? Tell this partition of every change from now on."""

    answer: ClassVar[Any] = Edition
    refusable: ClassVar[bool] = False

    follower: int


class TakeRegistry(Question, frozen=True, tag=11):
    """Go by this from now on."""

    answer: ClassVar[Any] = None
    refusable: ClassVar[bool] = False

    edition: Edition


# ---------------------------------------------------------------------------------------------
# Requests (tags 20 to 59)


class RunHandler(Question, frozen=True, tag=20):
    """What comes of this request?"""

    answer: ClassVar[Any] = Answer

    body: Invoke


class SubmitRequest(Question, frozen=True, tag=21):
    """Is this request durable?"""

    answer: ClassVar[Any] = Submission

    body: Invoke


class AwaitResult(Question, frozen=True, tag=22):
    """What does this invocation end with?"""

    answer: ClassVar[Any] = Finding | None

    invocation_id: InvocationId


class ReadResult(Question, frozen=True, tag=23):
    """Has this invocation ended, and with what?"""

    answer: ClassVar[Any] = Finding | None

    invocation_id: InvocationId


class ReadInvocation(Question, frozen=True, tag=24):
    """What is known of this invocation?"""

    answer: ClassVar[Any] = Invocation | None

    invocation_id: InvocationId


class ReadJournal(Question, frozen=True, tag=25):
    """Which entries has this journal, from an index on? Some of them, if there are any."""

    answer: ClassVar[Any] = list[JournalEntry] | None

    invocation_id: InvocationId
    start: int
    limit: int


class SendSignal(Question, frozen=True, tag=26):
    """Did an invocation take this signal?"""

    answer: ClassVar[Any] = bool

    body: SignalReceived


class MakeChange(Question, frozen=True, tag=27):
    """What became of this change?"""

    answer: ClassVar[Any] = Verdict

    body: Change


class Unserved(Struct, frozen=True, array_like=True, tag=True):
    """A deployment was named that does not exist, or does not serve the handler."""

    reason: str


class ResumeInvocation(Question, frozen=True, tag=28):
    """Does this invocation go on, there?"""

    answer: ClassVar[Any] = Verdict | Unserved

    invocation_id: InvocationId
    deployment: str | None


class Restarted(Struct, frozen=True, array_like=True, tag=True):
    """What became of a restart, and under which id it runs."""

    verdict: Verdict
    new_id: InvocationId


class RestartInvocation(Question, frozen=True, tag=29):
    """Does this invocation run again, there, after so much of its journal?"""

    answer: ClassVar[Any] = Restarted | Unserved

    invocation_id: InvocationId
    upto_index: int
    deployment: str | None


# ---------------------------------------------------------------------------------------------
# Queries (tags 60 to 79)


class ShowPartition(Question, frozen=True, tag=60):
    """Keep what there is to see now for a query, under a number that the asker has drawn."""

    query: int


class ReadRows(Question, frozen=True, tag=61):
    """What comes next? Pieces of batches, and whether each is the last of its batch; or no more."""

    answer: ClassVar[Any] = list[tuple[bytes, bool]]
    refusable: ClassVar[bool] = False

    query: int
    #: Number of the reading, drawn by the asker; it asks on when it has the answer before.
    reading: int
    #: What it looks for, if it begins.
    search: Search | None


class EndQuery(Question, frozen=True, tag=62):
    """Forget what you kept for a query."""

    refusable: ClassVar[bool] = False

    query: int


class ListPinned(Question, frozen=True, tag=63):
    """Which deployments is any invocation pinned to?"""

    answer: ClassVar[Any] = tuple[DeploymentId, ...]
    refusable: ClassVar[bool] = False


# ---------------------------------------------------------------------------------------------
# The end


class AwaitRest(Question, frozen=True, tag=80):
    """Say when you have given all answers that you will."""

    refusable: ClassVar[bool] = False


#: All of them.
AnyQuestion = (
    ReadTaken
    | TakeParcel
    | FollowRegistry
    | TakeRegistry
    | RunHandler
    | SubmitRequest
    | AwaitResult
    | ReadResult
    | ReadInvocation
    | ReadJournal
    | SendSignal
    | MakeChange
    | ResumeInvocation
    | RestartInvocation
    | ShowPartition
    | ReadRows
    | EndQuery
    | ListPinned
    | AwaitRest
)
