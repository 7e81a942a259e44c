"""Services elsewhere: processes of their own, and the streams of bytes between them and the server.

The server's transport, sessions and exchanges are real, and so is the SDK's endpoint; connections
are not. A stream carries bytes in order, cut anywhere and as late as it likes. It breaks at any
byte, and then both sides learn of it, or only one: the other goes on for a while with what it has.
A request that no answer has come to is said again to whichever instance is reached next.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from perdure.engine.memory import Memory
from perdure.protocol.manifest import Manifest, ProtocolMode
from perdure.sdk.endpoint import Endpoint, EndpointRequest, Invocation
from perdure.sdk.host import Host
from perdure.transport.exchanges import Exchange, Listener, LostError, Request
from perdure.transport.network import Origin
from simworld.hardware import Hardware
from simworld.loop import SimLoop
from simworld.places import HERE, Place
from simworld.shop import Shop
from simworld.wire import WatchedHost

INSTANCES = 2
#: The longest that one side of a broken stream may not know of it, in seconds.
IGNORANCE_S = 6.0


class Fleet:
    """The instances of the services."""

    def __init__(self, hardware: Hardware, shop: Shop, manifest: Manifest) -> None:
        self.hardware = hardware
        self.chance = hardware.random("fleet")
        self.rates = dict(hardware.plan.rates)
        self._make = lambda: Instance(self, shop, manifest)
        self.instances = [self._make() for _ in range(INSTANCES)]

    def any(self) -> Instance:
        return self.chance.choice(self.instances)

    def crash(self, number: int) -> None:
        """End an instance at once, and begin another in its place."""
        at = number % INSTANCES
        self.instances[at].die()
        self.instances[at] = self._make()

    def happens(self, what: str) -> bool:
        rate = self.rates.get(what)
        return rate is not None and self.chance.random() < rate

    def latency_s(self) -> float:
        if self.happens("stream stalled"):
            return self.chance.uniform(0.1, 3.0)
        return self.chance.uniform(0.0002, 0.003)

    def pieces(self, data: bytes) -> list[bytes]:
        """Cut bytes as networks do."""
        if len(data) < 2 or self.chance.random() < 0.7:
            return [data]
        at = self.chance.randrange(1, len(data))
        return [data[:at], data[at:]]

    def end(self) -> None:
        """Let nothing of it happen any more."""
        self.rates = {}
        for instance in self.instances:
            instance.loop.kill()
            instance.loop.bury()


class Instance:
    """One process that serves the application."""

    def __init__(self, fleet: Fleet, shop: Shop, manifest: Manifest) -> None:
        hardware = fleet.hardware
        self.loop = hardware.new_loop()
        self.streams: set[Stream] = set()
        host = Host(shop.services, manifest, now_ms=hardware.now_ms)
        watched: Any = WatchedHost(host, hardware.history.accuse)
        self.endpoint = Endpoint(watched, now_s=lambda: hardware.now_ms() / 1000)

    def die(self) -> None:
        self.loop.kill()
        self.loop.bury()
        for stream in sorted(self.streams, key=lambda stream: stream.number):
            stream.cut(here=True, there=False)


class Lines:
    """What one server process has for an HTTP client; the protocol is ``HttpClient.open``."""

    def __init__(self, fleet: Fleet, loop: SimLoop) -> None:
        self.fleet = fleet
        self.loop = loop
        self.streams: dict[int, Stream] = {}
        #: Whether another server leads.
        self.superseded = False
        self._numbers = 0

    def open(
        self,
        origin: Origin,
        request: Request,
        listener: Listener,
        *,
        bodiless: bool = False,
        memory: Memory | None = None,
    ) -> Exchange:
        """Begin an exchange."""
        assert not bodiless
        exchange = Exchange(request, listener, memory)
        self.carry(exchange, origin.host)
        return exchange

    def carry(self, exchange: Exchange, deployment: str) -> None:
        """Carry an exchange to any instance."""
        self._numbers += 1
        stream = Stream(self, self._numbers, exchange, self.fleet.any(), deployment)
        self.streams[stream.number] = stream
        exchange.carry(stream)
        stream.begin()

    def die(self) -> None:
        """Learn that the server's process ended."""
        for stream in list(self.streams.values()):
            stream.cut(here=False, there=True)


class Stream:
    """One exchange on its way to one instance; the protocol is ``Carrier``."""

    def __init__(
        self, lines: Lines, number: int, exchange: Exchange, instance: Instance, deployment: str
    ) -> None:
        self.number = number
        self._lines = lines
        self._fleet = lines.fleet
        self._exchange = exchange
        self._instance = instance
        self._place = Place(deployment, lambda: lines.superseded, remote=True)
        self._context = copy_context()
        self._context.run(HERE.set, self._place)
        self._attempt: Any = None
        self._open = True
        self._breaking = False
        self._asked_to_send = False
        self._end_sent = False
        self._over_sent = False
        #: Until when each direction is busy, so that what is said later comes later.
        self._busy_until = {"to": 0.0, "from": 0.0}
        instance.streams.add(self)

    # -- From the server to the service

    def begin(self) -> None:
        self._send_to(self._arrive)
        self.wake()

    def wake(self) -> None:
        """Send what there is, with whatever else comes in this turn of the loop."""
        if self._open and not self._asked_to_send:
            self._asked_to_send = True
            self._lines.loop.call_soon(self._pump)

    def cancel(self) -> None:
        """Learn that the server wants to know nothing more."""
        self.cut(here=False, there=True)

    def _pump(self) -> None:
        self._asked_to_send = False
        exchange = self._exchange
        while self._open and not exchange.drained:
            for piece in self._fleet.pieces(exchange.take(1 << 20)):
                self._send_to(self._hear, piece)
        if self._open and exchange.ended and not self._end_sent:
            self._end_sent = True
            self._send_to(self._hear_end)

    def _send_to(self, act: Callable[..., None], *args: bytes) -> None:
        self._send(self._instance.loop, "to", act, args)

    def _arrive(self) -> None:
        """Take the head of the request."""
        if self._fleet.happens("stream refused"):
            self._answer_from(503, {"retry-after": "0"}, b"")
            return
        request = self._exchange.request
        asked = EndpointRequest(
            method=request.method,
            path=request.path,
            headers=dict(request.headers),
            mode=ProtocolMode.BIDI_STREAM,
        )
        answer = self._instance.endpoint.answer(asked, self._woken)
        if not isinstance(answer, Invocation):
            self._answer_from(answer.status, {"content-type": answer.content_type}, answer.body)
            return
        self._attempt = answer.attempt
        self._send_from(self._exchange.hear_head, 200, {"content-type": answer.content_type})

    def _hear(self, data: bytes) -> None:
        """Take a piece of the request."""
        if self._attempt is not None:
            self._attempt.receive_data(data)

    def _hear_end(self) -> None:
        """Learn that the request is complete."""
        if self._attempt is not None:
            self._attempt.receive_eof()

    # -- From the service to the server

    def _woken(self) -> None:
        self._instance.loop.call_soon(self._answer)

    def _answer(self) -> None:
        data = self._attempt.data_to_send()
        if data:
            for piece in self._fleet.pieces(data):
                self._send_from(self._exchange.hear_data, piece)
        if self._attempt.over and not self._over_sent:
            self._over_sent = True
            self._send_from(self._finish)

    def _answer_from(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._send_from(self._exchange.hear_head, status, headers)
        self._send_from(self._exchange.hear_data, body)
        self._send_from(self._finish)

    def _finish(self) -> None:
        self._open = False
        self._forget()
        self._exchange.hear_end()

    def _send_from(self, act: Callable[..., None], *args: Any) -> None:
        self._send(self._lines.loop, "from", act, args)

    # -- Both ways

    def _send(
        self, loop: SimLoop, direction: str, act: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        if self._breaking:
            return
        if self._fleet.happens("stream broken"):
            self._breaking = True
            act, args = self._break, (act, args)
        at = max(self._fleet.hardware.scheduler.now_s, self._busy_until[direction])
        at = self._busy_until[direction] = at + self._fleet.latency_s()
        loop.call_at(at, self._deliver, act, args, context=self._context)

    def _deliver(self, act: Callable[..., None], args: tuple[Any, ...]) -> None:
        if self._open:
            act(*args)

    # -- The end

    def _break(self, act: Callable[..., None], args: tuple[Any, ...]) -> None:
        """Break in the middle of what was to be said."""
        chance = self._fleet.chance
        if args and isinstance(args[0], bytes):
            known = args[0][: chance.randrange(len(args[0]) + 1)]
            if known:
                act(known)
        here, there = chance.choice(((True, True), (True, False), (False, True)))
        self.cut(here=here, there=there)

    def cut(self, *, here: bool, there: bool) -> None:
        """Break; the server (``here``) or the service (``there``) learns of it soon, or late."""
        if not self._open:
            return
        self._fleet.hardware.history.note("cut", self.number, here, there)
        self._open = False
        self._place.cut = True
        self._forget()
        chance = self._fleet.chance
        at = self._fleet.hardware.scheduler.now_s
        self._lines.loop.call_at(
            at + (0.001 if here else chance.uniform(0, IGNORANCE_S)), self._lose
        )
        self._instance.loop.call_at(
            at + (0.001 if there else chance.uniform(0, IGNORANCE_S)), self._abort
        )

    def _lose(self) -> None:
        """Say it again where that is possible, as pools of connections do."""
        if self._exchange.rewind(tries=1):
            self._lines.carry(self._exchange, self._place.deployment)
        else:
            self._exchange.lose(LostError("the connection broke"))

    def _abort(self) -> None:
        if self._attempt is not None:
            self._attempt.abort()

    def _forget(self) -> None:
        self._lines.streams.pop(self.number, None)
        self._instance.streams.discard(self)
