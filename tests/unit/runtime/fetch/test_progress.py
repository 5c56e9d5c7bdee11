"""What counts as progress, and how it is told."""

from modelyard_runtime.fetch.progress import Meter


def test_it_tells_bytes_rate_and_time_left():
    times = iter([0.0, 4.0, 4.0])
    meter = Meter(10_000_000, lambda: None, now=lambda: next(times))
    meter.found("a", 2_000_000)
    meter.received("a", 1_000_000, 3_000_000)
    meter.received("b", 3_000_000, 3_000_000)
    assert meter.describe() == {
        "bytes": 6_000_000,
        "total_bytes": 10_000_000,
        "megabytes_per_second": 1.0,
        "eta_seconds": 4,
    }
    assert meter.received_bytes == 4_000_000


def test_before_anything_has_come_there_is_no_estimate():
    meter = Meter(100, lambda: None, now=lambda: 0.0)
    assert meter.describe() == {
        "bytes": 0,
        "total_bytes": 100,
        "megabytes_per_second": 0.0,
        "eta_seconds": None,
    }


def test_what_only_repeats_what_was_there_is_no_progress():
    steps = []
    meter = Meter(100, lambda: steps.append(1))
    meter.found("a", 50)
    meter.received("a", 40, 40)
    assert steps == []
    meter.received("a", 20, 60)
    meter.received("a", 60, 60)
    assert steps == [1]
    assert meter.received_bytes == 120
