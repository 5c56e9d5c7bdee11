"""What a mode relies on: asked of the API server, named where it is missing."""

import pytest

from modelyard_api.meta import Reason
from modelyard_operator.scaling.availability import Availability, find_group
from tests.support.objects import parse

NEEDS = [
    # scaling, suspended, the API group
    ({}, False, None),
    ({"max": 3}, False, None),
    ({"mode": "builtin", "max": 3}, False, None),
    ({"mode": "hpa", "max": 3}, False, "custom.metrics.k8s.io"),
    ({"mode": "hpa", "max": 3, "target": {"cpu": 80}}, False, "metrics.k8s.io"),
    ({"mode": "hpa", "max": 3, "target": {"memory": 80}}, False, "metrics.k8s.io"),
    ({"mode": "keda", "max": 3}, False, "keda.sh"),
    ({"mode": "keda", "max": 3}, True, None),
]


@pytest.mark.parametrize(("scaling", "suspend", "group"), NEEDS)
def test_what_each_mode_needs(scaling, suspend, group):
    assert find_group(parse(scaling=scaling, suspend=suspend).spec) == group


class Groups:
    def __init__(self, *there):
        self.there = set(there)
        self.asked = []

    async def has_group(self, group):
        self.asked.append(group)
        return group in self.there


class Clock:
    seconds = 100.0

    def __call__(self):
        return self.seconds


async def test_what_is_missing_is_named_with_what_to_do():
    gap = await Availability(Groups(), now=Clock()).find_gap(
        parse(scaling={"mode": "keda", "max": 3}).spec
    )
    assert gap.reason == Reason.SCALER_UNAVAILABLE
    assert gap.message == (
        "spec.scaling.mode is keda, and the cluster has no KEDA (API group keda.sh); the number of "
        "pods stays as it is."
    )
    assert gap.hint == (
        "Have KEDA installed, or set spec.scaling.mode to builtin, which needs nothing else."
    )


async def test_an_answer_is_believed_a_while():
    groups, clock = Groups("keda.sh"), Clock()
    availability = Availability(groups, now=clock)
    spec = parse(scaling={"mode": "keda", "max": 3}).spec
    for _ in range(3):
        assert await availability.find_gap(spec) is None
    assert groups.asked == ["keda.sh"]
    groups.there.clear()
    clock.seconds += 20
    assert await availability.find_gap(spec) is not None
    assert len(groups.asked) == 2


async def test_where_nothing_is_needed_nobody_is_asked():
    groups = Groups()
    assert await Availability(groups, now=Clock()).find_gap(parse(scaling={"max": 3}).spec) is None
    assert groups.asked == []
