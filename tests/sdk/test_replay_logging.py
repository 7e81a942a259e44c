import logging

import pytest

from perdure.sdk.logging import RestateLoggingFilter, getLogger
from perdure.sdk.replay_state import IS_REPLAYING, is_replaying
from perdure.server_context import restate_context_is_replaying


@pytest.fixture
def replaying():
    state = [False]
    token = IS_REPLAYING.set(lambda: state[0])
    yield state
    IS_REPLAYING.reset(token)


def test_outside_of_handlers_nothing_replays():
    assert not is_replaying()
    assert restate_context_is_replaying.get(False) is False


def test_libraries_learn_of_the_replay_as_of_a_variable(replaying: list[bool]):
    replaying[0] = True
    assert restate_context_is_replaying.get() is True


def test_a_logger_is_silent_in_replay(replaying: list[bool], caplog: pytest.LogCaptureFixture):
    logger = getLogger("perdure.test.replay")
    with caplog.at_level(logging.INFO):
        logger.info("first")
        replaying[0] = True
        logger.info("repeated")
        replaying[0] = False
        logger.info("second")
    assert caplog.messages == ["first", "second"]


def test_a_logger_is_filtered_once():
    assert getLogger("perdure.test.once") is getLogger("perdure.test.once")
    assert len(getLogger("perdure.test.once").filters) == 1


def test_the_filter_still_filters_by_name():
    record = logging.LogRecord("other", logging.INFO, __file__, 1, "m", None, None)
    assert not RestateLoggingFilter("mine").filter(record)
    assert RestateLoggingFilter("other").filter(record)
