"""Changing the source while it is served: new code at once, and nothing that was done is lost."""

from __future__ import annotations

import os
import signal
import time

import httpx
import pytest
from dev_process import DEADLINE_S, Dev, children_of, gone, until

pytestmark = pytest.mark.timeout(120)


def greeter(word: str, more: str = "") -> str:
    return f"""
        import perdure

        greeter = perdure.Service("Greeter")

        @greeter.handler()
        async def greet(ctx: perdure.Context, name: str) -> str:
            return "{word} " + name
        {more}
        app = perdure.app([greeter])
    """


def sleeper(steps: str) -> str:
    return f"""
        import perdure
        from datetime import timedelta

        sleeper = perdure.Service("Sleeper")

        @sleeper.handler()
        async def nap(ctx: perdure.Context) -> str:
            {steps}

        app = perdure.app([sleeper])
    """


NAP = 'await ctx.sleep(timedelta(milliseconds=1500), name="nap"); return "by the {} code"'
SOON = {"PERDURE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL": "100ms"}
ONE_OR_SEVERAL = pytest.mark.parametrize(
    "options", [(), ("--partitions", "2")], ids=["one", "several"]
)


def begin_nap(dev: Dev) -> None:
    """Begin a nap that can be asked for later."""
    sent = dev.ask("/Sleeper/nap/send", **{"idempotency-key": "once"})
    assert sent.status_code == 202, sent.text


def test_new_code_answers_at_the_same_address(dev):
    dev.write(greeter("Hello"))
    dev.start()
    url = dev.url
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada"
    # Of the same size within the same second: compiled files cannot tell these apart.
    dev.write(greeter("HELLO"))
    dev.until_said("source changed; starting again")
    response = httpx.post(f"{url}/Greeter/greet", json="Ada", timeout=DEADLINE_S)
    assert response.json() == "HELLO Ada", "a request during the restart waits"
    assert dev.stop() == 0


def test_a_changed_service_is_its_next_revision(dev):
    dev.write(greeter("Hello"))
    dev.start()
    dev.until_said("Greeter (service, r1): greet")
    dev.write(
        greeter(
            "Hello",
            """
        @greeter.handler()
        async def wave(ctx: perdure.Context) -> str:
            return "waves"
""",
        )
    )
    dev.until_said("Greeter (service, r2): greet, wave")
    assert dev.ask("/Greeter/wave").json() == "waves"
    assert dev.stop() == 0


def test_a_running_invocation_goes_on_with_the_new_code(dev):
    dev.write(sleeper(NAP.format("old")))
    dev.start()
    begin_nap(dev)
    dev.write(sleeper(NAP.format("new")))
    dev.until_said("source changed")
    response = dev.ask("/Sleeper/nap", **{"idempotency-key": "once"})
    assert response.json() == "by the new code"
    assert dev.stop() == 0


def test_code_that_does_not_fit_a_journal_is_told_and_waited_for(dev):
    dev.write(sleeper(NAP.format("old")))
    dev.start(**SOON)
    begin_nap(dev)
    dev.write(sleeper('return await ctx.run_typed("instead", lambda: "of sleeping")'))
    dev.until_said("[RT0016]")
    (line, *_) = [line for line in dev.said.splitlines() if "[RT0016]" in line]
    assert "WARNING perdure.engine: inv_1" in line
    assert "Sleeper/nap: attempt 1 failed: " in line
    assert "command 1 of the journal is Sleep 'nap'" in line
    assert "issues Run 'instead'" in line

    dev.write(sleeper(NAP.format("mended")))
    until(lambda: dev.said.count("starting again") == 2, "the server starts again")
    response = dev.ask("/Sleeper/nap", **{"idempotency-key": "once"})
    assert response.json() == "by the mended code"
    assert dev.stop() == 0


def test_a_mistake_in_the_source_is_told_and_waited_for(dev):
    dev.write(greeter("Hello"))
    dev.start()
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada"
    dev.write("def greet(:")
    dev.until_said("waiting for a change of the source")
    assert "SyntaxError" in dev.said
    dev.write(greeter("Hello again"))
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello again Ada"
    assert dev.stop() == 0


def test_a_source_that_was_wrong_from_the_start_is_waited_for(dev):
    dev.write("import no_such_library")
    dev.start()
    dev.until_said("waiting for a change of the source")
    dev.write(greeter("Hello"))
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada"
    assert dev.stop() == 0


def test_stopping_while_it_waits_for_a_change(dev):
    dev.write("1 / 0")
    dev.start()
    dev.until_said("waiting for a change of the source")
    assert dev.stop() == 0


def test_both_processes_leave_when_asked(dev):
    dev.write(greeter("Hello"))
    dev.start()
    assert dev.ask("/Greeter/greet", "Ada").status_code == 200
    (child,) = dev.children()
    began = time.monotonic()
    assert dev.stop() == 0
    assert time.monotonic() - began < 10
    assert gone(child)
    assert "Traceback" not in dev.said


@ONE_OR_SEVERAL
def test_modules_beside_the_application_hide_none_of_the_library(dev, tmp_path, options):
    """The installed command does not look for modules where it is called; nor do its children."""
    dev.write(greeter("Hello"))
    dev.write("", "email.py")
    installed = tmp_path / "bin" / "perdure"
    installed.parent.mkdir()
    installed.write_text("from perdure.__main__ import main\nmain()\n")
    dev.command = [str(installed)]
    dev.start(*options)
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada"
    assert dev.stop() == 0


def test_a_child_that_dies_is_told_and_started_again_with_the_next_change(dev):
    dev.write(greeter("Hello"))
    dev.start()
    assert dev.ask("/Greeter/greet", "Ada").status_code == 200
    (child,) = dev.children()
    os.kill(child, signal.SIGKILL)
    dev.until_said("waiting for a change of the source")
    assert "the server was ended by signal 9\n" in dev.said
    dev.write(greeter("Hello again"))
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello again Ada"
    assert dev.stop() == 0


def test_nor_does_it_end_with_one_partition_of_several(dev):
    dev.write(greeter("Hello"))
    dev.start("--partitions", "2")
    assert dev.ask("/Greeter/greet", "Ada").status_code == 200
    (child,) = dev.children()
    (another,) = children_of(child)
    os.kill(another, signal.SIGKILL)
    dev.until_said("waiting for a change of the source")
    assert f"process {another} of partition 1 was ended by signal 9" in dev.said
    dev.write(greeter("Hello again"))
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello again Ada"
    assert dev.stop() == 0


@ONE_OR_SEVERAL
def test_a_stop_is_one_whatever_became_of_the_child_before(dev, options):
    dev.write(greeter("Hello"))
    dev.start(*options)
    assert dev.ask("/Greeter/greet", "Ada").status_code == 200
    (child,) = dev.children()
    os.kill((children_of(child) or [child])[-1], signal.SIGKILL)
    dev.until_said("waiting for a change of the source")
    assert dev.stop() == 0


def test_a_child_does_not_outlive_its_parent(dev):
    dev.write(greeter("Hello"))
    dev.start()
    url = dev.url
    assert dev.ask("/Greeter/greet", "Ada").status_code == 200
    (child,) = dev.children()
    dev.signal(signal.SIGKILL)
    dev.wait()
    until(lambda: gone(child), "the child leaves")
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"{url}/Greeter/greet", json="Ada", timeout=DEADLINE_S)
    dev.start()
    assert dev.ask("/Greeter/greet", "Ada").json() == "Hello Ada", "nobody holds the directory"
    assert dev.stop() == 0
