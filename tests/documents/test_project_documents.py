"""What README and docs say is what the code does."""

import ast
import re
from pathlib import Path

import pytest

from perdure.core.attempt.attempt import ERROR_TEXT_MAX, JournalLimits
from perdure.core.machine.events import EVENTS_MAX
from perdure.core.machine.notifications import SIGNALLED_ENTRIES_MAX
from perdure.core.machine.retrying import LEAST_DELAY_MS_MAX
from perdure.core.model.durations import parse_duration_ms
from perdure.core.tables.changes import LONG_ROW_BYTES
from perdure.core.tables.recent import RECENT_BYTES
from perdure.core.tables.small_groups import GROUPS_REMEMBERED, ROW_BYTES_MAX, ROWS_MAX
from perdure.engine.crowd import TIMES_BEHIND, TIMES_CROWDED
from perdure.engine.engine import EngineOptions
from perdure.engine.flushing import (
    FLUSH_BYTES,
    FLUSH_BYTES_MAX,
    FLUSH_ROWS,
)
from perdure.engine.invoker import HEAVY_MAX
from perdure.engine.memory import LIGHT_BYTES, MEMORY_BYTES
from perdure.engine.superseded import SUPERSEDED_MAX
from perdure.engine.timers import WINDOW
from perdure.ingress.bodies import BODY_BYTES_MAX, HELD_BYTES_MAX
from perdure.ingress.routes import URI_BYTES_MAX
from perdure.server.doors import HEAD_BYTES_MAX
from perdure.server.http1_requests import HEADERS_MAX
from perdure.server.http2_budget import BUDGET_MAX, EARNED_BY_SECOND
from perdure.server.http2_sender import STREAMS_MAX
from perdure.server.open_files import CONNECTIONS_MAX
from perdure.server.setting_keys import (
    COMMAND_VARIABLES,
    ENVIRONMENT_PREFIX,
    KEYS,
    setting_of,
)
from perdure.server.settings import Settings
from perdure.server.untaken import UNTAKEN_BYTES_MAX
from perdure.storage.rocks_batch import LONG_BYTES
from perdure.storage.segmented import SEGMENT_BYTES
from perdure.transport.discovery import HANDLERS_MAX, SCHEMA_LEVELS_MAX

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()


def test_the_lines_of_the_readme_are_an_example_that_is_served():
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    example = (ROOT / "examples" / "greeter.py").read_text()
    assert example.endswith(block)
    assert ast.get_docstring(ast.parse(example))


def test_the_curl_line_of_the_readme_is_the_one_of_the_example():
    line = next(line for line in README.splitlines() if line.startswith("curl"))
    assert line in (ROOT / "examples" / "greeter.py").read_text()


@pytest.mark.parametrize("target", ["run", "test"])
def test_the_commands_of_the_readme_exist(target):
    assert f"make {target} " in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_the_project_lead_somewhere(path):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_setting_is_documented_with_its_default():
    section = OPERATIONS.partition("## Settings")[2]
    rows = dict(re.findall(r"^\| `([a-z0-9.-]+)` \| `([^`]+)`", section, re.MULTILINE))
    assert set(rows) == set(KEYS)
    defaults = Settings()
    for key, text in rows.items():
        known = None if text == "unset" else KEYS[key].parse(text)
        assert known == getattr(defaults, KEYS[key].field), key


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_variables_that_are_named_are_understood(path):
    """A server refuses all others with that prefix, also a server in a test."""
    named = set(re.findall(r"\bPERDURE_[A-Z_]*[A-Z]", path.read_text()))
    assert [name for name in sorted(named - COMMAND_VARIABLES) if setting_named(name) is None] == []


def setting_named(variable: str) -> object:
    words = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
    return setting_of(words.replace("__", ".").replace("_", "-"))


def test_bounds_are_documented_as_they_are():
    limits = EngineOptions().limits
    for said in (
        f"| request body | {BODY_BYTES_MAX // 2**20} MiB |",
        f"| path and query | {URI_BYTES_MAX:,} bytes |",
        f"| request headers | {HEAD_BYTES_MAX // 2**10} KiB, and {HEADERS_MAX:,} of them |",
        f"have not taken, together | {UNTAKEN_BYTES_MAX // 2**30} GiB |",
        f"what was written lately, up to {RECENT_BYTES // 2**20} MiB, and of each table",
        f"the row of {LONG_ROW_BYTES // 2**20} MiB or more that was read last",
        (
            f"small states ({ROWS_MAX} entries of {ROW_BYTES_MAX} bytes) of up to "
            f"{2 * GROUPS_REMEMBERED:,} objects |"
        ),
        f"| requests waiting for a result | {limits.waiters:,} ",
        f"| records not yet durable | {limits.records:,} |",
        f"| the same, in bytes | {limits.record_bytes // 2**20} MiB |",
        f"| request bodies on their way, together | {HELD_BYTES_MAX // 2**20} MiB |",
        f"| entries of one journal | {JournalLimits().entries:,} ",
        f"| size of one journal | {JournalLimits().bytes // 2**20} MiB ",
        f"| signals to one journal | until it has {SIGNALLED_ENTRIES_MAX:,} entries |",
        f"| requests on one HTTP/2 connection | {STREAMS_MAX} ",
        f"| HTTP/2 frames that bring nothing | {BUDGET_MAX:,}, and {EARNED_BY_SECOND} a second |",
        (
            f"| connections of one door | three eighths of the files that the process may open, "
            f"{CONNECTIONS_MAX:,} at most |"
        ),
        (
            f"| changed rows | memory | written to the store after {FLUSH_ROWS:,} rows, "
            f"{TIMES_CROWDED} times as many while records queue up, "
            f"{TIMES_BEHIND} times while timers are late, or "
            f"{FLUSH_BYTES // 2**20} MiB of records |"
        ),
        f"a piece at a time | memory | {FLUSH_BYTES_MAX // 2**20} MiB of records |",
        f"the values of {LONG_BYTES // 2**20} MiB or more",
        f"| timers | memory, of a table | the nearest {WINDOW:,} ",
        f"the newest {EVENTS_MAX}, with the first {ERROR_TEXT_MAX:,} characters of each text |",
        (
            f"| services and handlers of one deployment | {HANDLERS_MAX:,}, and schemas of "
            f"{SCHEMA_LEVELS_MAX} levels |"
        ),
        f"as soon as there are {SUPERSEDED_MAX} that newer ones replaced",
        (
            f"after {EngineOptions().checkpoint_records:,} records or "
            f"{EngineOptions().checkpoint_bytes // 2**30} GiB |"
        ),
        f"| attempts open at the same time | {EngineOptions().slots:,} ",
        (
            f"not come whole | {MEMORY_BYTES / 2**30:g} GiB (`worker.invoker.memory-limit`) | "
            f"attempts that begin with more than {LIGHT_BYTES // 2**10} KiB wait"
        ),
        f"| attempts that wait for that | {HEAVY_MAX} |",
        f"One of less than {LEAST_DELAY_MS_MAX} ms grows",
        f"| attempts waiting for a slot | {limits.queued_attempts:,} (",
        f"in segments of {SEGMENT_BYTES // 2**20} MiB",
    ):
        assert said in OPERATIONS, said


def test_durations_are_documented_as_they_are_read():
    examples = re.search(r"Durations are written as (.*)\.$", OPERATIONS, re.MULTILINE)[1]
    assert {parse_duration_ms(text) for text in re.findall(r"`([^`]+)`", examples)} == {
        10_000,
        90_000,
    }
