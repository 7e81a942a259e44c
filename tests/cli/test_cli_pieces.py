"""Values in, values out: SQL, times, patches, states."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.cli.errors import UsageError
from perdure.cli.json_patch import apply_patch
from perdure.cli.output import Output, plain
from perdure.cli.sql_text import is_in, literal, matching, select
from perdure.cli.state_values import read_values, show_values, state_version
from perdure.cli.times import Times, parse_time, span

# -- SQL


def test_a_quote_ends_no_literal():
    assert literal("it's") == "'it''s'"
    assert is_in("a", ["x", "y'); --"]) == "a IN ('x', 'y''); --')"


def test_a_query_has_the_clauses_that_say_something():
    assert select(["a", "b"], "t") == "SELECT a, b FROM t"
    assert (
        select(["a"], "t", ["x = 1", "y = 2"], group="a", order="a DESC", limit=3)
        == "SELECT a FROM t WHERE x = 1 AND y = 2 GROUP BY a ORDER BY a DESC LIMIT 3"
    )


@pytest.mark.parametrize(
    ("query", "sql"),
    [
        ("inv_1x", "id = 'inv_1x'"),
        ("Greeter", "target_service_name = 'Greeter'"),
        (
            "A/b",
            (
                "(target_service_name = 'A' AND ((target_service_ty = 'service' AND "
                "target_handler_name = 'b') OR (target_service_ty != 'service' AND "
                "target_service_key = 'b')))"
            ),
        ),
        (
            "A/k/l/h",
            (
                "(target_service_name = 'A' AND target_service_key = 'k/l' AND "
                "target_handler_name = 'h')"
            ),
        ),
    ],
)
def test_a_query_names_an_invocation_a_service_a_handler_or_a_key(query, sql):
    assert matching(query) == sql


# -- Times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0314, "31 ms"),
        (0.9999, "1s"),
        (1.5, "1.5s"),
        (59.9, "59s"),
        (60, "1m"),
        (7512.4, "2h 5m"),
        (90061, "1d 1h"),
        (-3, "-3s"),
    ],
)
def test_spans_are_written_in_two_units(seconds, text):
    assert span(seconds) == text


def test_moments_are_written_as_asked_for():
    text = "2026-11-21T20:33:05.343000000Z"
    now = parse_time(text) + 5
    assert Times("human", now).age(text) == "5s ago"
    assert Times("human", now - 10).age(text) == "in 5s"
    assert Times("human", now).moment(text) == "2026-11-21 20:33:05 UTC"
    assert Times("iso8601", now).age(text) == text
    assert Times("rfc2822", now).age(text) == "Sat, 21 Nov 2026 20:33:05 +0000"
    assert Times("human", now).age(None) == ""


# -- Output


@given(st.text())
def test_no_text_steers_the_terminal(text):
    controls = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n"}
    assert not controls & set(plain(text).plain)


def test_escape_codes_are_shown():
    assert plain("a\x1b[31mb\tc\r\n").plain == "a\\x1b[31mb    c\n"


def test_what_turns_the_direction_of_text_is_shown():
    assert plain("paid\u202e001\u2066").plain == r"paid\u202e001\u2066"


def test_headers_cannot_steer_the_terminal_either(capsys):
    output = Output()
    output.data(output.table(["A\x1b[2J"], [("x",)]))
    assert capsys.readouterr().out.split() == [r"A\x1b[2J", "x"]


def test_programs_that_read_lines_get_a_row_on_each(capsys):
    output = Output()
    output.data(output.table(["TARGET", "DETAIL"], [("Cart/a\nb/put", "failed:\n  why\n")]))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:]] == [[r"Cart/a\nb/put", r"failed:\n", "why"]]


@pytest.mark.parametrize("borders", [False, True])
def test_a_narrow_terminal_cuts_nothing_off(borders, capsys):
    output = Output(borders=borders)
    output.out.width = 60
    rows = [(letter * 38, "", "running", letter.upper() * 26) for letter in "ab"]
    output.data(output.table(["ID", "KEY", "STATUS", "DEPLOYMENT"], rows))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["ID", "a" * 38],
        ["STATUS", "running"],
        ["DEPLOYMENT", "A" * 26],
        [],
        ["ID", "b" * 38],
        ["STATUS", "running"],
        ["DEPLOYMENT", "B" * 26],
    ]


def test_what_can_fold_folds_where_ids_and_names_fit(capsys):
    output = Output()
    output.out.width = 60
    output.data(output.table(["ID", "AGE", "DETAIL"], [("a" * 38, "1m 19s ago", "it went well")]))
    assert capsys.readouterr().out.split("\n")[0].split() == ["ID", "AGE", "DETAIL"]


# -- JSON Patch


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"op": "add", "path": "/c", "value": 1}, {"a": [1, 2], "b": {"x/y": 0}, "c": 1}),
        ({"op": "add", "path": "/a/0", "value": 0}, {"a": [0, 1, 2], "b": {"x/y": 0}}),
        ({"op": "add", "path": "/a/-", "value": 3}, {"a": [1, 2, 3], "b": {"x/y": 0}}),
        ({"op": "remove", "path": "/a/0"}, {"a": [2], "b": {"x/y": 0}}),
        ({"op": "replace", "path": "/b/x~1y", "value": 9}, {"a": [1, 2], "b": {"x/y": 9}}),
        ({"op": "replace", "path": "", "value": {}}, {}),
        ({"op": "move", "from": "/a", "path": "/d"}, {"b": {"x/y": 0}, "d": [1, 2]}),
        ({"op": "copy", "from": "/a/1", "path": "/b/n"}, {"a": [1, 2], "b": {"x/y": 0, "n": 2}}),
        ({"op": "test", "path": "/a", "value": [1, 2]}, {"a": [1, 2], "b": {"x/y": 0}}),
    ],
)
def test_a_patch_does_what_the_rfc_says(operation, after):
    before = {"a": [1, 2], "b": {"x/y": 0}}
    assert apply_patch(before, [operation]) == after
    assert before == {"a": [1, 2], "b": {"x/y": 0}}


@pytest.mark.parametrize(
    "patch",
    [
        {},
        ["add"],
        [{"op": "frob", "path": "/a"}],
        [{"op": "add", "path": "/a"}],
        [{"op": "add", "path": "a", "value": 1}],
        [{"op": "add", "path": "/a/01", "value": 1}],
        [{"op": "add", "path": "/a/4", "value": 1}],
        [{"op": "add", "path": "/n/x", "value": 1}],
        [{"op": "remove", "path": "/zz"}],
        [{"op": "remove", "path": "/a/-"}],
        [{"op": "remove", "path": ""}],
        [{"op": "replace", "path": "/zz", "value": 1}],
        [{"op": "move", "from": "/o", "path": "/o/p"}],
        [{"op": "test", "path": "/n", "value": True}],
        [{"op": "test", "path": "/n", "value": 1.0}],
    ],
)
def test_a_patch_that_does_not_fit_is_refused(patch):
    with pytest.raises(UsageError):
        apply_patch({"a": [1, 2, 3], "n": 1, "o": {}}, patch)


# -- State


def test_the_version_is_the_hash_that_the_server_makes():
    def version(data):
        return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

    assert state_version({}) == version(b"")
    one = bytes(8) + b"\x01a\x021\x03"
    two = (1).to_bytes(8, "big") + b"\x01b\x02x\x03"
    assert state_version({"b": b"x", "a": b"1"}) == version(one + two)


def test_values_that_were_not_changed_keep_their_bytes():
    before = {"spaced": b'{ "a" : 1 }', "float": b"1.0", "gone": b"1"}
    shown = show_values(before, binary=False)
    shown["new"] = {"b": "\u00e9"}
    shown["float"] = 1
    del shown["gone"]
    assert read_values(shown, before, binary=False) == {
        "spaced": b'{ "a" : 1 }',
        "float": b"1",
        "new": b'{"b":"\xc3\xa9"}',
    }


@given(st.dictionaries(st.text(), st.binary()))
def test_any_bytes_go_through_base64(state):
    shown = show_values(state, binary=True)
    assert read_values(shown, {}, binary=True) == state


def test_what_is_no_json_asks_for_base64():
    with pytest.raises(UsageError, match="--binary"):
        show_values({"a": b"\xff"}, binary=False)
    with pytest.raises(UsageError, match="base64"):
        read_values({"a": 1}, {}, binary=True)
    with pytest.raises(UsageError, match="object"):
        read_values([], {}, binary=False)
