"""What gateways hold for a model: pure. An entry counts while its gateway keeps it fresh."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from modelyard_api.v1alpha1 import Demand

#: A gateway renews its entry well within this time, or is gone.
FRESH_SECONDS = 30.0
#: How far a gateway's clock may be ahead; an entry from further ahead would never expire.
_SKEW_SECONDS = 5.0


def count_waiting(demand: Mapping[str, Demand], now: datetime) -> int:
    """Return how many requests wait at gateways, by entries that are fresh."""
    return sum(entry.waiting for entry, age in _read_ages(demand, now) if age < FRESH_SECONDS)


def find_age(demand: Mapping[str, Demand], now: datetime) -> float | None:
    """Return the seconds since a gateway last held a request, None where none ever did."""
    ages = [age for entry, age in _read_ages(demand, now) if entry.waiting > 0]
    return min(ages, default=None)


def _read_ages(demand: Mapping[str, Demand], now: datetime) -> Iterator[tuple[Demand, float]]:
    for entry in demand.values():
        try:
            at = datetime.fromisoformat(entry.at)
        except ValueError:
            continue  # no gateway of ours wrote it
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        age = (now - at).total_seconds()
        if age >= -_SKEW_SECONDS:
            yield entry, max(age, 0.0)
