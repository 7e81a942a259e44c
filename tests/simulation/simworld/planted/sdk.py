"""Defects of the SDK, and of how the engine drives it."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.attempt.attempt import Attempt as ServerAttempt
from perdure.core.machine import (
    notifications,
)
from perdure.engine.invoker import Invoker
from perdure.sdk.attempt import Attempt as SdkAttempt
from perdure.sdk.machine.syscalls import Machine as SdkMachine
from perdure.sdk.running import Runs
from simworld.planted.change import Change, instead


def reuse_a_completion_id() -> list[Change]:
    def completion(self):
        self._last_completion += self._last_completion != 4
        return self._last_completion

    return [(SdkMachine, "_completion", completion)]


def run_again_what_is_known() -> list[Change]:
    return [(Runs, "settled", lambda _self, _handle: None)]


def deliver_the_newest_first() -> list[Change]:
    def make(real):
        def deliver(self):
            if self.processing and len(self.arrivals) > 1:
                self.arrivals.appendleft(self.arrivals.pop())
            return real(self)

        return deliver

    return instead(SdkMachine, "deliver", make)


def see_before_durable() -> list[Change]:
    def make(real):
        def propose(self, handle, outcome):
            real(self, handle, outcome)
            if not self.closed and self._proposed.pop(handle, None) is not None:
                self.arrivals.append((0, _run_completion(handle, outcome)))

        return propose

    def notification(self, index, message):
        found = real_notification(self, index, message)
        return None if type(found).__name__ == "ProposeRunCompletionAck" else found

    real_notification = ServerAttempt.notification
    return [
        *instead(SdkMachine, "propose", make),
        (ServerAttempt, "notification", notification),
    ]


def _run_completion(handle, outcome):
    return notifications.Completion(notifications.CompletionKind.RUN, handle, outcome)


def suspend_for_nothing() -> list[Change]:
    def make(real):
        def awaited(self):
            future = real(self)
            return replace(future, completions=future.completions[1:])

        return awaited

    return instead(SdkAttempt, "_awaited", make)


def keep_the_slot() -> list[Change]:
    def ended(self, shell):
        if not self._open:
            self._all_ended.set()

    return [(Invoker, "_ended", ended)]


def start_twice() -> list[Change]:
    def make(real):
        def start_attempt(self, action):
            real(self, action)
            if action.attempt % 5 == 0:
                real(self, action)

        return start_attempt

    return instead(Invoker, "start", make)
