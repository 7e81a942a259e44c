"""Syncs by the kernel, in the background: real ones, and what an odd kernel may say."""

import asyncio
import errno
import os

import pytest

from perdure.storage.files import OsFiles
from perdure.storage.kernel_sync import KernelSync

DEADLINE_S = 20


def opened(loop):
    kernel = KernelSync.open(loop)
    if kernel is None:
        pytest.skip("this system makes no syncs in the background")
    return kernel


class OddKernel:
    """Takes or refuses a request, and ends it with the result it was given."""

    def __init__(self, *, taken=True, result=0):
        self.fileno, self.other_end = os.pipe()
        self.taken = taken
        self.result = result
        self.operation = None

    def submit(self, operation):
        if isinstance(self.taken, Exception):
            raise self.taken
        self.operation = operation
        return int(self.taken)

    def process_events(self, max_requests=512, min_requests=0, timeout=0):
        operation, self.operation = self.operation, None
        if operation is not None:
            operation.callback(self.result)

    def close(self):
        os.close(self.fileno)
        os.close(self.other_end)


class Request:
    def __init__(self, descriptor):
        self.callback = None

    def set_callback(self, callback):
        self.callback = callback


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_a_sync_ends_on_the_event_loop(loop, tmp_path):
    kernel = opened(loop)
    file = OsFiles(tmp_path, kernel).open("f", create=True)
    for content in (b"one", b"two"):
        file.write(0, content)
        ended = loop.create_future()
        assert file.begin_sync(ended.set_result)
        assert loop.run_until_complete(asyncio.wait_for(ended, DEADLINE_S)) is None
    file.close()
    kernel.close()


def test_a_sync_can_be_waited_for_without_the_loop(loop, tmp_path):
    kernel = opened(loop)
    file = OsFiles(tmp_path, kernel).open("f", create=True)
    ended = []
    assert file.begin_sync(ended.append)
    kernel.wait()
    assert ended == [None]
    kernel.wait()
    file.close()
    kernel.close()
    loop.run_until_complete(asyncio.sleep(0))
    assert ended == [None]


def test_what_cannot_be_synced_is_not_taken(loop):
    kernel = opened(loop)
    ends = os.pipe()
    assert not kernel.begin(ends[0], print)
    for end in ends:
        os.close(end)
    assert not kernel.begin(ends[0], print)
    kernel.close()


def test_a_file_without_a_kernel_begins_nothing(tmp_path):
    file = OsFiles(tmp_path).open("f", create=True)
    assert not file.begin_sync(print)
    file.close()


@pytest.mark.parametrize("taken", [False, OverflowError(), ValueError(), SystemError()])
def test_a_kernel_that_has_no_room_takes_nothing(loop, taken):
    odd = OddKernel(taken=taken)
    kernel = KernelSync(loop, odd, Request)
    assert not kernel.begin(5, print)
    kernel.wait()
    kernel.close()
    odd.close()


def test_an_error_comes_with_its_number(loop):
    odd = OddKernel(result=(1 << 64) - errno.EIO)
    kernel = KernelSync(loop, odd, Request)
    ended = []
    assert kernel.begin(5, ended.append)
    kernel.wait()
    (error,) = ended
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror) == (errno.EIO, os.strerror(errno.EIO))
    kernel.close()
    odd.close()


def test_a_result_that_cannot_be_fetched_is_a_failure(loop):
    class Mute(OddKernel):
        def process_events(self, max_requests=512, min_requests=0, timeout=0):
            raise SystemError(errno.EFAULT, os.strerror(errno.EFAULT))

    odd = Mute()
    kernel = KernelSync(loop, odd, Request)
    ended = []
    assert kernel.begin(5, ended.append)
    kernel.wait()
    assert [error.errno for error in ended] == [errno.EFAULT]
    kernel.close()
    odd.close()


def test_a_signal_does_not_end_the_wait(loop):
    class Interrupted(OddKernel):
        signals = 2

        def process_events(self, max_requests=512, min_requests=0, timeout=0):
            if self.signals:
                self.signals -= 1
                raise SystemError(errno.EINTR, os.strerror(errno.EINTR))
            super().process_events(max_requests, min_requests, timeout)

    odd = Interrupted()
    kernel = KernelSync(loop, odd, Request)
    ended = []
    assert kernel.begin(5, ended.append)
    kernel.wait()
    assert ended == [None]
    kernel.close()
    odd.close()
