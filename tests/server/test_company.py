"""The lines between the processes of a server, with both ends in one."""

import asyncio
import contextlib
import os
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
    wait_to_begin,
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
    made.first.go()
    assert all(wait_to_begin(line) for line in made.lines.values())
    for other in made.others:
        other.start()


def test_all_begin_together_and_serve_when_all_are_ready(run):
    async def scenario():
        async with company() as made:
            begun(made)
            ready = asyncio.ensure_future(made.first.ready())
            made.others[0].serve(lambda _connection: True)
            await asyncio.sleep(0.02)
            assert not ready.done()
            made.others[1].serve(lambda _connection: True)
            await ready

    run(scenario)


def test_whoever_has_lost_the_first_does_not_begin(run):
    async def scenario():
        async with company() as made:
            made.first.close()
            return [wait_to_begin(line) for line in made.lines.values()]

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


def test_a_companion_that_takes_nothing_is_passed_over(run):
    async def scenario():
        async with company() as made:
            (take, _) = made.first.takers()
            with contextlib.ExitStack() as stack:
                for _ in range(100_000):
                    connection = stack.enter_context(socket.socket())
                    if not take(connection):
                        return connection.fileno() != -1
            raise AssertionError

    assert run(scenario)


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


def test_one_that_is_asked_to_stop_has_all_stop(run):
    async def scenario():
        async with company() as made:
            begun(made)
            made.others[1].ask_to_stop()
            await until(lambda: made.asked)
            assert not made.first.stopping
            made.first.stop()
            await asyncio.wait([other.stopping for other in made.others])
            return made.asked, made.first.stopping

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
