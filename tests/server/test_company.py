"""The lines between the processes of a server, with both ends in one."""

import asyncio
import contextlib
import os
import resource
import signal
import socket

import pytest
from open_servers import DEADLINE_S, until

from perdure.core.model.shares import share_of
from perdure.server.company import (
    Companion,
    Companions,
    PartitionLostError,
    Place,
)


class Company:
    """Three processes in one: the first, and its companions."""

    def __init__(self):
        self.asked = 0
        lines = {index: socket.socketpair() for index in (1, 2)}
        places = [Place(share_of(index, 3), {}) for index in range(3)]
        self.first = Companions(places[0], {i: line for i, (line, _) in lines.items()}, self.ask)
        self.lines = {index: line for index, (_, line) in lines.items()}
        self.others = [Companion(places[index], self.lines[index]) for index in (1, 2)]

    def ask(self):
        self.asked += 1


@contextlib.asynccontextmanager
async def company():
    async with asyncio.timeout(DEADLINE_S):
        made = Company()
        try:
            yield made
        finally:
            made.first.close()
            for other in made.others:
                other.close()


def begun(made):
    for other in made.others:
        other.start()


def test_all_begin_together_and_serve_when_all_are_ready(run):
    async def scenario():
        async with company() as made:
            begun(made)
            await asyncio.sleep(0.02)
            assert not any(other.begun.done() for other in made.others)
            made.first.go()
            await asyncio.wait([other.begun for other in made.others])
            ready = asyncio.ensure_future(made.first.ready())
            made.others[0].serve(lambda _connection: True)
            await asyncio.sleep(0.02)
            assert not ready.done()
            made.others[1].serve(lambda _connection: True)
            await ready

    run(scenario)


def test_whoever_has_lost_the_first_does_nothing(run):
    async def scenario():
        async with company() as made:
            begun(made)
            made.first.close()
            await asyncio.sleep(0.02)
            made.others[0].ask_to_stop()
            return [other.begun.done() or other.stopping.done() for other in made.others]

    assert run(scenario) == [False, False]


def test_nobody_waits_for_a_companion_that_is_lost(run):
    async def scenario():
        async with company() as made:
            begun(made)
            ready = asyncio.ensure_future(made.first.ready())
            made.others[0].serve(lambda _connection: True)
            made.first.lose(PartitionLostError("process 7 of partition 2 was ended by signal 9"))
            made.first.lose(PartitionLostError("process 8 of partition 1 was ended by signal 9"))
            with pytest.raises(PartitionLostError, match="process 7"):
                await ready

    run(scenario)


def test_connections_are_handed_over_whole(run):
    async def scenario():
        async with company() as made:
            begun(made)
            taken = [[], []]
            for other, its in zip(made.others, taken, strict=True):
                other.serve(lambda connection, its=its: its.append(connection) or True)
            kept = []
            for index, take in enumerate(made.first.takers()):
                for number in range(100):
                    ours, theirs = socket.socketpair()
                    ours.send(b"%d-%d" % (index, number))
                    assert take(theirs)
                    assert theirs.fileno() == -1, "this process has it no more"
                    kept.append(ours)
            await until(lambda: [len(its) for its in taken] == [100, 100])
            said = [[connection.recv(9) for connection in its] for its in taken]
            assert not any(os.get_inheritable(its[0].fileno()) for its in taken)
            for each in (*kept, *taken[0], *taken[1]):
                each.close()
            return said

    assert run(scenario) == [[b"%d-%d" % (i, n) for n in range(100)] for i in (0, 1)]


def test_a_companion_that_takes_nothing_is_passed_over_and_told_later(run):
    async def scenario():
        async with company() as made:
            (take, _) = made.first.takers()
            while take(connection := socket.socket()):
                assert connection.fileno() == -1
            assert connection.fileno() != -1, "it is left to somebody else"
            connection.close()
            made.first.stop()
            begun(made)
            await asyncio.wait([other.stopping for other in made.others])

    run(scenario)


def test_whoever_does_not_serve_yet_closes_what_comes(run):
    async def scenario():
        async with company() as made:
            begun(made)
            ours, theirs = socket.socketpair()
            with ours:
                assert made.first.takers()[0](theirs)
                ours.setblocking(False)
                return await asyncio.get_running_loop().sock_recv(ours, 1)

    assert run(scenario) == b""


def test_what_is_no_connection_is_let_go(run):
    async def scenario():
        async with company() as made:
            begun(made)
            read_end, write_end = os.pipe()
            line = made.first._lines[1]
            socket.send_fds(line, [b"c"], [write_end])
            os.close(write_end)
            made.first.stop()
            await made.others[0].stopping
            assert os.read(read_end, 1) == b"", "it was closed"
            os.close(read_end)

    run(scenario)


def test_whoever_has_no_file_left_takes_connections_later(run, caplog):
    async def scenario():
        async with company() as made:
            begun(made)
            taken = []
            made.others[0].serve(lambda connection: taken.append(connection) or True)
            take = made.first.takers()[0]
            pairs = [socket.socketpair() for _ in range(3)]
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
            try:
                for _, theirs in pairs:
                    assert take(theirs)
                await until(lambda: caplog.messages)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            await until(lambda: len(taken) == 2)
            for each in (*(ours for ours, _ in pairs), *taken):
                each.close()

    run(scenario)
    (said,) = caplog.messages
    assert "one is lost, as none can be taken: [Errno 24]" in said


def test_one_that_is_asked_to_stop_has_all_stop(run):
    async def scenario():
        async with company() as made:
            begun(made)
            made.others[1].ask_to_stop()
            await until(lambda: made.asked)
            assert made.first.stopped_at is None
            made.first.stop()
            with socket.socket() as connection:
                assert not any(take(connection) for take in made.first.takers())
            await asyncio.wait([other.stopping for other in made.others])
            assert not any(other.begun.done() for other in made.others)
            return made.asked, made.first.stopped_at is not None

    assert run(scenario) == (1, True)


def test_a_process_that_is_forked_off_does_not_hold_the_lines(run):
    async def scenario():
        async with company() as made:
            begun(made)
            child = os.fork()
            if child == 0:
                signal.pause()
            try:
                made.first.close()
                (line, _) = made.lines.values()
                line.setblocking(True)
                line.settimeout(DEADLINE_S)
                return line.recv(1)
            finally:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)  # noqa: ASYNC222 - it was killed

    assert run(scenario) == b""
