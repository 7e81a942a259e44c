"""Defects of streams to services elsewhere, and of the deployments that invocations belong to."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.engine import superseded
from perdure.engine.invoker import Invoker
from perdure.protocol.framing import FrameDecoder
from perdure.protocol.messages import Start
from perdure.sdk.endpoint_attempt import WireAttempt
from perdure.transport import http_session
from perdure.transport.exchanges import Exchange
from perdure.transport.http_session import HttpSession
from simworld.planted.change import Change, handler, instead


def forget_half_a_message() -> list[Change]:
    """Of a message that came in two pieces, the first is lost."""

    def make(real):
        def receive_data(self, data):
            frames = real(self, data)
            if self._pending and self.waiting_bytes > 8:
                self._pending.clear()
                self.waiting_bytes = 0
            return frames

        return receive_data

    return instead(FrameDecoder, "receive_data", make)


def say_again_what_was_not_said() -> list[Change]:
    """Whatever is repeated on another connection begins where the first one ended."""

    def rewind(self, tries=2):
        self._carrier = None
        if self.over or self._answered or self._kept is None or self._tries > tries:
            return False
        self._kept, self._kept_bytes = [], 0
        return True

    def made(real):
        def end(self):
            real(self)
            if not self.over and not self.begun:
                self._begin()

        return end

    return [
        (Exchange, "rewind", rewind),
        *instead(WireAttempt, "receive_eof", made),
        (WireAttempt, "_gather", _begin_with_what_came),
    ]


def _begin_with_what_came(self, messages):
    self._begun = True
    self._session.receive(messages)


def announce_a_shorter_journal() -> list[Change]:
    """The handler begins, live, when the last entry of its journal is still on its way."""

    def make(real):
        def encode_pieces(sent, version):
            return real(map(shortened, sent), version)

        return encode_pieces

    def shortened(message):
        if type(message) is Start and message.known_entries > 2:
            return replace(message, known_entries=message.known_entries - 1)
        return message

    return instead(http_session.wire, "encode_pieces", make)


def swallow_the_second_message() -> list[Change]:
    """Of several messages that come together, the service hears the first and the last."""

    def make(real):
        def receive_data(self, data):
            frames = real(self, data)
            return frames if len(frames) < 3 or not self._pending else [frames[0], *frames[2:]]

        return receive_data

    return instead(FrameDecoder, "receive_data", make)


def end_with_the_stream() -> list[Change]:
    """A stream that breaks counts as the end of a handler that has nothing more to say."""

    def lost(self, _error):
        if not self._over:
            self._over = True
            self._line.sink([http_session.End()])

    return [(HttpSession, "lost", lost)]


def run_on_the_newest() -> list[Change]:
    """An invocation moves to whatever was registered last."""

    def make(real):
        def choose(self, row):
            deployment, schema, _pin = real(self, replace(row, pin=None))
            return deployment, schema, row.pin or _pin

        return choose

    return instead(Invoker, "_choose", make)


def forget_where_it_runs() -> list[Change]:
    """Which deployment an invocation began on is not recorded."""

    def make(real):
        return lambda step, body: real(step, replace(body, pin=None))

    return handler("Progress", make)


def drop_what_is_pinned() -> list[Change]:
    """A deployment goes with its successor, whoever still runs on it."""
    return [(superseded, "pinned", lambda _tables: set())]
