"""From samples to figures: what several rounds say together, and how systems compare."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from benchmarks.latencies import Histogram
from benchmarks.load import LoadResult


class Sample(Struct, frozen=True, kw_only=True):
    """One round of one scenario on one freshly started system."""

    start_s: float
    idle_bytes: int
    load: LoadResult
    #: None where syncs cannot be counted.
    syncs_per_request: float | None


class Figures(Struct, frozen=True, kw_only=True):
    """What all rounds of a scenario on a system say: medians, and quantiles over all requests."""

    requests_per_s: float
    requests_per_s_min: float
    requests_per_s_max: float
    p50_ms: float
    p99_ms: float
    #: Processor time of all processes of the system.
    cpu_ms: float
    #: That of the server alone, where handlers have processes of their own.
    server_cpu_ms: float
    client_cpu_ms: float
    resident_mb: float
    server_mb: float
    syncs: float | None


class StartFigures(Struct, frozen=True, kw_only=True):
    """What all starts of a system on an empty folder say: medians."""

    start_s: float
    idle_mb: float


def combine(samples: Sequence[Sample]) -> Figures:
    """Combine the rounds of a scenario on a system.

    Raises:
        ValueError: there is no sample, or one without a request.
    """
    if not samples or not all(sample.load.requests for sample in samples):
        raise ValueError("a round measured no request; measure for longer")
    loads = [sample.load for sample in samples]
    rates = [requests_per_s(load) for load in loads]
    latencies = Histogram.merged(Histogram(load.latencies) for load in loads)
    syncs = [sample.syncs_per_request for sample in samples]
    counted = [count for count in syncs if count is not None]
    return Figures(
        requests_per_s=median(rates),
        requests_per_s_min=min(rates),
        requests_per_s_max=max(rates),
        p50_ms=latencies.quantile_ms(0.5),
        p99_ms=latencies.quantile_ms(0.99),
        cpu_ms=median(cpu_ms_per_request(load) for load in loads),
        server_cpu_ms=median(1000 * load.server_cpu_s / load.requests for load in loads),
        client_cpu_ms=median(1000 * load.client_cpu_s / load.requests for load in loads),
        resident_mb=median(load.resident_bytes for load in loads) / 1e6,
        server_mb=median(load.server_resident_bytes for load in loads) / 1e6,
        syncs=median(counted) if len(counted) == len(syncs) else None,
    )


def requests_per_s(load: LoadResult) -> float:
    """Give the throughput of a load."""
    return load.requests / load.seconds


def cpu_ms_per_request(load: LoadResult) -> float:
    """Give the processor time of all processes of the system for one request."""
    return 1000 * load.cpu_s / load.requests


def combine_starts(samples: Sequence[Sample]) -> StartFigures:
    """Combine the starts of a system, whatever was measured afterwards."""
    return StartFigures(
        start_s=median(sample.start_s for sample in samples),
        idle_mb=median(sample.idle_bytes for sample in samples) / 1e6,
    )


def ratios(figures: Struct, base: Struct) -> dict[str, float | None]:
    """Give each figure as a multiple of the base's."""
    fields = figures.__struct_fields__
    return {field: ratio(getattr(figures, field), getattr(base, field)) for field in fields}


def ratio(figure: float | None, base: float | None) -> float | None:
    """Give a figure as a multiple of the base; None if there is none."""
    if figure is None or not base:
        return None
    return figure / base
