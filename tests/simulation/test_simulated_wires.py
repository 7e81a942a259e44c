"""A simulated wire carries bytes in order, and its end is heard of at both ends or at one."""

from __future__ import annotations

from simworld.hardware import Hardware
from simworld.history import History
from simworld.loop import Scheduler
from simworld.plan import draw
from simworld.wires import Wire


class Listener:
    """A protocol that writes down what it hears."""

    def __init__(self) -> None:
        self.heard = b""
        self.lost = 0

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, _error) -> None:
        self.lost += 1


class Bench:
    """A wire between two processes."""

    def __init__(self, seed: int = 0) -> None:
        self.scheduler = Scheduler()
        hardware = Hardware(draw(seed, 1, 2), History(), self.scheduler)
        self.kernel = hardware.new_loop()
        self.wire = Wire(hardware, self.kernel, 0, 1)
        self.low, self.high = Listener(), Listener()
        self.loops = [hardware.new_loop(), hardware.new_loop()]
        self.wire.plugs[0].connect(self.loops[0], self.low)

    def connect(self) -> None:
        self.wire.plugs[1].connect(self.loops[1], self.high)

    def run(self) -> None:
        self.scheduler.run(self.scheduler.now_s + 60, lambda: False)


def test_bytes_arrive_in_order_and_wait_for_who_has_not_begun():
    bench = Bench()
    pieces = [bytes([number]) * number for number in range(1, 60)]
    for piece in pieces:
        bench.low.transport.write(piece)
    assert bench.low.transport.get_write_buffer_size() == sum(map(len, pieces))
    bench.run()
    bench.connect()
    bench.run()
    assert bench.high.heard == b"".join(pieces)
    assert bench.low.transport.get_write_buffer_size() == 0


def test_who_does_not_read_hears_it_later():
    bench = Bench()
    bench.connect()
    bench.high.transport.pause_reading()
    bench.low.transport.write(b"word")
    bench.run()
    assert bench.high.heard == b""
    bench.high.transport.resume_reading()
    bench.run()
    assert bench.high.heard == b"word"


def test_who_closes_is_heard_to_the_end_and_both_learn_of_it():
    bench = Bench()
    bench.connect()
    bench.low.transport.write(b"last words")
    bench.low.transport.close()
    bench.low.transport.write(b"nothing")
    bench.run()
    assert bench.high.heard == b"last words"
    assert (bench.low.lost, bench.high.lost) == (1, 1)
    assert bench.wire.over


def test_a_process_that_ends_learns_nothing_and_the_other_does():
    heard = set()
    for seed in range(20):
        bench = Bench(seed)
        bench.connect()
        for _ in range(30):
            bench.low.transport.write(b"word")
        bench.wire.plugs[0].hang_up()
        bench.run()
        assert (bench.low.lost, bench.high.lost) == (0, 1)
        assert (b"word" * 30).startswith(bench.high.heard)
        heard.add(len(bench.high.heard))
    assert 120 in heard
    assert len(heard) > 1


def test_a_wire_that_is_cut_ends_at_both_ends_once():
    bench = Bench()
    bench.connect()
    bench.wire.cut()
    bench.wire.cut()
    bench.run()
    bench.high.transport.write(b"nothing")
    bench.run()
    assert (bench.low.lost, bench.high.lost) == (1, 1)
    assert bench.low.heard == b""
