"""Which effect belongs to which command: the whole list stands here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from perdure.core.machine.entries import calls, others, promises, sleeps, states
from perdure.core.machine.entries.work import Work
from perdure.protocol import messages
from perdure.protocol.messages import Command, CompletionKind, ProposeRunCompletion

#: Members of an enum are slow to reach before Python 3.12: looked up once for all runs.
_RUN: Final = CompletionKind.RUN


def stored_only(work: Work, command: Command) -> None:
    """Append a command that has no effect beyond its place in the journal."""
    work.journal.command(command)


def complete_run(work: Work, proposal: ProposeRunCompletion) -> None:
    """Append what a run came to; the proposal itself is no part of a journal."""
    work.journal.complete(_RUN, proposal.result_completion_id, proposal.result)


EFFECTS: Final[Mapping[type[Command | ProposeRunCompletion], Callable[[Work, Any], None]]] = {
    messages.Input: stored_only,
    messages.Output: stored_only,
    messages.Run: stored_only,
    ProposeRunCompletion: complete_run,
    messages.GetEagerState: stored_only,
    messages.GetEagerStateKeys: stored_only,
    messages.GetLazyState: states.get_lazy_state,
    messages.GetLazyStateKeys: states.get_lazy_state_keys,
    messages.SetState: states.set_state,
    messages.ClearState: states.clear_state,
    messages.ClearAllState: states.clear_all_state,
    messages.GetPromise: promises.get_promise,
    messages.PeekPromise: promises.peek_promise,
    messages.CompletePromise: promises.complete_promise,
    messages.Sleep: sleeps.sleep,
    messages.Call: calls.call,
    messages.OneWayCall: calls.one_way_call,
    messages.SendSignal: others.send_signal,
    messages.CompleteAwakeable: others.complete_awakeable,
    messages.AttachInvocation: others.attach_invocation,
    messages.GetInvocationOutput: others.get_invocation_output,
}

__all__ = ["EFFECTS", "Work"]
