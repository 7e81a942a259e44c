import logging
from datetime import timedelta

import pytest
from scripted_server import NOW_MS, Server, service

from perdure.protocol.messages import Sleep
from perdure.sdk.context import Context
from perdure.sdk.logging import RestateLoggingFilter, getLogger
from perdure.sdk.replay_state import is_replaying
from perdure.server_context import restate_context_is_replaying


def test_outside_of_handlers_nothing_replays():
    assert not is_replaying()
    assert restate_context_is_replaying.get(False) is False


async def test_a_handler_and_its_actions_learn_of_the_replay_as_of_a_variable():
    told: list[bool] = []

    async def act() -> None:
        told.append(restate_context_is_replaying.get())

    async def run(ctx: Context) -> None:
        told.append(restate_context_is_replaying.get())
        ctx.sleep(timedelta(seconds=1))
        told.append(restate_context_is_replaying.get())
        await ctx.run_typed("a", act)

    Server(service(run)).run()
    assert told == [False] * 3
    told.clear()
    Server(service(run), journal=[Sleep(NOW_MS + 1000, 1)]).run()
    assert told == [True, False, False]
    assert not is_replaying()


async def test_a_logger_is_silent_in_replay(caplog: pytest.LogCaptureFixture):
    logger = getLogger("perdure.test.replay")

    async def run(ctx: Context) -> None:
        logger.info("repeated")
        ctx.sleep(timedelta(seconds=1))
        logger.info("new")

    with caplog.at_level(logging.INFO):
        logger.info("outside")
        Server(service(run), journal=[Sleep(NOW_MS + 1000, 1)]).run()
    assert caplog.messages == ["outside", "new"]


def test_a_logger_is_filtered_once():
    assert getLogger("perdure.test.once") is getLogger("perdure.test.once")
    assert len(getLogger("perdure.test.once").filters) == 1


def test_the_filter_still_filters_by_name():
    record = logging.LogRecord("other", logging.INFO, __file__, 1, "m", None, None)
    assert not RestateLoggingFilter("mine").filter(record)
    assert RestateLoggingFilter("other").filter(record)
