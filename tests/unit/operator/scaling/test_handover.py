"""Who writes replicas, in every mode and from every state."""

import pytest

from modelyard_operator.scaling.handover import find_wanted, plan_claim
from tests.support.objects import parse

NONE = {"replicas": 3}
BUILTIN = {"mode": "builtin", "min": 2, "max": 9}
SLEEPY = {"mode": "builtin", "min": 2, "max": 9, "idleAfter": "1m"}
HPA = {"mode": "hpa", "min": 2, "max": 9}
KEDA = {"mode": "keda", "min": 2, "max": 9}

CASES = {
    # scaling, suspended, live replicas, whether ours, what is claimed, how many are wanted
    "nothing scales": (NONE, False, 3, True, None, 3),
    "nothing scales any more": (NONE, False, 7, False, None, 3),
    "suspended": (NONE, True, 3, True, None, 0),
    "suspended while scaled": (BUILTIN, True, 7, False, None, 0),
    "scaled from now on": (BUILTIN, False, 3, True, 3, 3),
    "scaled from now on, above its maximum": (BUILTIN, False, 20, True, 20, 20),
    "scaled already": (BUILTIN, False, 7, False, None, 7),
    "resumed": (BUILTIN, False, 0, True, 2, 0),
    "asleep": (SLEEPY, False, 0, False, None, 0),
    "resumed, and it may sleep": (SLEEPY, False, 0, True, 2, 0),
    "an autoscaler from now on": (HPA, False, 3, True, 3, 3),
    "an autoscaler already": (HPA, False, 7, False, None, 7),
    "an autoscaler takes over from one that had put it to sleep": (HPA, False, 0, False, 2, 0),
    "keda from now on": (KEDA, False, 3, True, 3, 3),
    "keda already": (KEDA, False, 7, False, None, 7),
    "keda has put it to sleep": (KEDA, False, 0, False, None, 0),
    "keda, resumed": (KEDA, False, 0, True, 2, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_who_writes_replicas(name):
    scaling, suspend, live, is_ours, claim, wanted = CASES[name]
    spec = parse(scaling=scaling, suspend=suspend).spec
    assert plan_claim(spec, live, is_ours=is_ours) == claim
    assert find_wanted(spec, live) == wanted


@pytest.mark.parametrize(("scaling", "wanted"), [(NONE, 3), (BUILTIN, 2), (HPA, 2), (KEDA, 2)])
def test_a_new_model_wants_what_the_spec_says(scaling, wanted):
    assert find_wanted(parse(scaling=scaling).spec, None) == wanted
