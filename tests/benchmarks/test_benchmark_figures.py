"""Statistics and tables, with plain values."""

import pytest
from benchmarks.compare import rows_of, turns
from benchmarks.figures import Sample, combine, combine_starts, ratio, ratios
from benchmarks.latencies import Histogram, rounded
from benchmarks.load import LoadResult
from benchmarks.report import LOAD_COLUMNS, comparison, number, table
from benchmarks.syncs import parse_counts
from benchmarks.systems import EVERYTHING, SYSTEMS, Dbos, Perdure, Restate


def sample(*, requests=1000, seconds=2.0, cpu_s=0.5, syncs=0.25, latencies=None, start_s=1.0):
    return Sample(
        start_s=start_s,
        idle_bytes=50_000_000,
        load=LoadResult(
            requests=requests,
            seconds=seconds,
            cpu_s=cpu_s,
            server_cpu_s=cpu_s / 2,
            client_cpu_s=0.1,
            resident_bytes=80_000_000,
            server_resident_bytes=60_000_000,
            latencies=latencies or {1000: requests},
            requests_in_all=requests,
        ),
        syncs_per_request=syncs,
    )


@pytest.mark.parametrize(
    ("microseconds", "kept"),
    [
        (0, 0),
        (999, 999),
        (1000, 1000),
        (1234, 1230),
        (1235, 1240),
        (9996, 10_000),
        (123_456, 123_000),
    ],
)
def test_a_latency_keeps_three_significant_digits(microseconds, kept):
    assert rounded(microseconds) == kept


def test_quantiles_are_latencies_that_occurred():
    histogram = Histogram.of_nanoseconds(range(1_000, 101_000, 1_000))
    assert histogram.quantile_ms(0.5) == 0.050
    assert histogram.quantile_ms(0.99) == 0.099
    assert histogram.quantile_ms(1) == 0.100


def test_one_sample_is_every_quantile():
    histogram = Histogram({700: 1})
    assert [histogram.quantile_ms(share) for share in (0, 0.5, 0.99, 1)] == [0.7] * 4


def test_without_a_sample_there_is_no_quantile():
    with pytest.raises(ValueError, match="measure for longer"):
        Histogram().quantile_ms(0.5)


def test_merged_histograms_count_together():
    merged = Histogram.merged([Histogram({1: 2, 5: 1}), Histogram({5: 4})])
    assert merged.counts == {1: 2, 5: 5}


def test_rounds_combine_to_medians_and_common_quantiles():
    figures = combine(
        [
            sample(requests=1000, seconds=1.0, cpu_s=0.1, latencies={100: 900, 9000: 100}),
            sample(requests=3000, seconds=1.0, cpu_s=0.6, latencies={200: 3000}),
            sample(requests=2000, seconds=1.0, cpu_s=0.3, latencies={200: 2000}),
        ]
    )
    assert (figures.requests_per_s_min, figures.requests_per_s) == (1000, 2000)
    assert figures.requests_per_s_max == 3000
    assert figures.cpu_ms == pytest.approx(0.15)
    assert (figures.p50_ms, figures.p99_ms) == (0.2, 9.0)
    assert figures.server_cpu_ms == pytest.approx(0.075)
    assert (figures.resident_mb, figures.server_mb) == (80, 60)


def test_syncs_that_were_not_counted_in_each_round_are_not_told():
    assert combine([sample(), sample()]).syncs == 0.25
    assert combine([sample(), sample(syncs=None)]).syncs is None


@pytest.mark.parametrize("samples", [[], [sample(requests=0, latencies={1: 1})]])
def test_a_round_without_requests_has_no_figures(samples):
    with pytest.raises(ValueError, match="measured no request"):
        combine(samples)


def test_starts_combine_to_medians():
    figures = combine_starts([sample(start_s=1), sample(start_s=9), sample(start_s=2)])
    assert (figures.start_s, figures.idle_mb) == (2, 50)


@pytest.mark.parametrize(
    ("figure", "base", "times"),
    [(3.0, 2.0, 1.5), (None, 2.0, None), (3.0, None, None), (3, 0, None)],
)
def test_a_ratio_needs_both_figures(figure, base, times):
    assert ratio(figure, base) == times


def test_ratios_are_given_for_each_figure():
    base, other = combine([sample()]), combine([sample(requests=500, syncs=None)])
    assert ratios(other, base)["requests_per_s"] == 0.5
    assert ratios(other, base)["syncs"] is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"), (0, "0.000"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"),
        (123.4, "123"), (1234.5, "1,234"), (9.996, "10.00"),
    ],
)  # fmt: skip
def test_a_number_has_about_three_digits(value, text):
    assert number(value) == text


def test_columns_are_aligned():
    assert table([["", "a"], ["long", "1"], ["x", "22"]]) == "       a\nlong   1\nx     22"


def test_systems_are_compared_with_the_first():
    text = comparison(
        "Empty",
        {"one": combine([sample()]), "two": combine([sample(requests=250)]), "three": None},
        LOAD_COLUMNS[:1],
    )
    assert text.splitlines() == [
        "Empty",
        "         requests/s",
        "one             500",
        "two    125 (x0.250)",
        "three        failed",
    ]


def test_when_the_first_system_failed_there_are_no_ratios():
    figures = combine([sample()])
    assert comparison("Empty", {"one": None, "two": figures}, LOAD_COLUMNS[:1]).endswith(" 500")
    assert [row.ratios for row in rows_of("empty", {"one": None, "two": figures})] == [{}, {}]


def test_every_system_has_its_turn_in_each_round_and_is_first_once():
    assert list(turns([Perdure, Restate, Dbos], 3)) == [
        *(Perdure, Restate, Dbos),
        *(Restate, Dbos, Perdure),
        *(Dbos, Perdure, Restate),
    ]


def test_counts_of_syncs_are_added():
    text = "".join(
        f"\n{count},,syscalls:sys_enter_{call},1,100.00,,\n"
        for count, call in [(12, "fsync"), (30, "fdatasync"), (100, "io_submit")]
    )
    assert parse_counts(text) == 142


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12,,syscalls:sys_enter_fsync,1,100.00,,",
        "<not counted>,,syscalls:sys_enter_fsync\n3,,syscalls:x",
    ],
)
def test_a_missing_count_makes_no_sum(text):
    assert parse_counts(text) is None


def test_every_server_is_measured_with_every_service():
    assert set(SYSTEMS) - set(EVERYTHING) == {
        f"{server}+{service}"
        for server in ("perdure-server", "restate-server")
        for service in ("typescript", "hypercorn", "perdure-serve")
    }
