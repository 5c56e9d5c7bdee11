"""Bringing models up to today's rendering, so many at a time."""

import pytest

from modelyard_api.v1alpha1 import Failure
from modelyard_operator.desired.ledger import FailedRevision, LastGood, Ledger
from modelyard_operator.records import Key
from modelyard_operator.renewing import Age, Renewals, find_age
from tests.support.fake_cluster import FakeCluster
from tests.support.objects import build_model, build_policy, parse, rendering, serving
from tests.support.reconciling import Operator, conditions, status

OLD = LastGood(input="a", rendering=rendering("old"))
KEYS = [Key("team", f"model-{n}") for n in range(4)]
IMAGE = "runtime: {image: example.com/runtime:%s}\nrollout: {maxConcurrent: %d}"


def failed(revision, input_):
    failure = Failure(reason="Crashed")
    return FailedRevision(revision=revision, input=input_, failure=failure, at="now")


@pytest.mark.parametrize(
    ("ledger", "today", "expected"),
    [
        pytest.param(
            Ledger("a", rendering("old"), good="old"), "old", Age.UP_TO_DATE, id="as today"
        ),
        pytest.param(
            Ledger("a", rendering("old"), good="old"), "new", Age.STALE, id="good, of another day"
        ),
        pytest.param(
            Ledger("a", rendering("old")), "new", Age.UP_TO_DATE, id="not good yet: let it start"
        ),
        pytest.param(
            Ledger("a", rendering("new"), last_good=OLD),
            "new",
            Age.UNDER_RENEWAL,
            id="the same spec rendered anew, not good yet",
        ),
        pytest.param(
            Ledger("b", rendering("new"), last_good=OLD),
            "new",
            Age.UP_TO_DATE,
            id="somebody's own update",
        ),
        pytest.param(
            Ledger("a", rendering("old"), good="old", failed=failed("new", "a")),
            "new",
            Age.UNDER_RENEWAL,
            id="a renewal that failed keeps its place",
        ),
        pytest.param(
            Ledger("a", rendering("old"), good="old", failed=failed("new", "a")),
            "newer",
            Age.STALE,
            id="a renewal that failed may try what came after",
        ),
        pytest.param(
            Ledger("a", rendering("old"), good="old", failed=failed("new", "b")),
            "new",
            Age.UP_TO_DATE,
            id="somebody's own update that failed",
        ),
    ],
)
def test_the_age_of_a_template(ledger, today, expected):
    assert find_age(parse(), ledger, rendering(today)) is expected


def test_a_model_at_rest_waits_until_it_is_wanted():
    ledger = Ledger("a", rendering("old"), good="old")
    assert find_age(parse(suspend=True), ledger, rendering("new")) is Age.UP_TO_DATE
    asleep = parse(scaling={"max": 3, "idleAfter": "10m"})
    assert find_age(asleep, ledger, rendering("new"), live=0) is Age.UP_TO_DATE
    assert find_age(asleep, ledger, rendering("new"), live=2) is Age.STALE


class Desk:
    """Renewals, and who was woken."""

    def __init__(self, limit):
        self.seen_all = True
        self.woken = []
        self.renewals = Renewals(limit, wake=self.woken.append, has_seen_all=lambda: self.seen_all)

    def ask(self, *numbers, age=Age.STALE):
        return [self.renewals.ask(KEYS[number], age) for number in numbers]


def test_so_many_are_renewed_at_a_time():
    assert Desk(2).ask(0, 1, 2, 3) == [True, True, False, False]


def test_who_has_a_place_keeps_it():
    desk = Desk(1)
    assert desk.ask(0, 0, 1, 0) == [True, True, False, True]


def test_the_next_is_woken_when_one_is_done():
    desk = Desk(1)
    desk.ask(0, 1, 2)
    desk.ask(0, age=Age.UP_TO_DATE)
    assert (desk.woken, desk.ask(1)) == ([KEYS[1]], [True])


def test_one_under_renewal_counts_though_this_process_has_not_let_it_in():
    desk = Desk(1)
    assert (desk.ask(0, age=Age.UNDER_RENEWAL), desk.ask(1)) == ([False], [False])


def test_nobody_is_renewed_before_all_have_been_seen():
    desk = Desk(1)
    desk.seen_all = False
    assert desk.ask(0, 1) == [False, False]
    desk.seen_all = True
    desk.ask(2, age=Age.UP_TO_DATE)
    assert (desk.woken, desk.ask(0)) == ([KEYS[0]], [True])


def test_one_that_is_gone_gives_its_place_away():
    desk = Desk(1)
    desk.ask(0, 1)
    desk.renewals.forget(KEYS[0])
    assert desk.woken == [KEYS[1]]


@pytest.fixture
def cluster():
    return FakeCluster(*(build_model(name=key.name, uid=f"uid-{key.name}") for key in KEYS))


def image(cluster, key):
    spec = cluster.children["Deployment", key]["spec"]["template"]["spec"]
    return spec["containers"][0]["image"].rpartition(":")[2]


async def settle(operator, key):
    """The model's pods come up, and the operator sees it."""
    operator.cluster.finish_rollout(key)
    revision = status(operator.cluster, key)["revision"]["target"]
    operator.cluster.pods[key] = [serving(f"{key.name}-a", revision=revision, model=key.name)]
    await operator.reconcile(key)


async def look(operator):
    for key in KEYS:
        await operator.reconcile(key)


async def serve_all(cluster):
    operator = Operator(cluster, build_policy(IMAGE % ("1", 0)))
    await look(operator)
    for key in KEYS:
        await settle(operator, key)


async def test_without_being_asked_no_model_follows_a_new_image(cluster):
    await serve_all(cluster)
    cluster.writes.clear()
    await look(Operator(cluster, build_policy(IMAGE % ("2", 0))))
    assert cluster.writes == []


async def test_models_follow_a_new_image_one_after_the_other(cluster):
    await serve_all(cluster)
    operator = Operator(cluster, build_policy(IMAGE % ("2", 1)))
    await look(operator)
    await look(operator)
    images = []
    for key in KEYS:
        images.append([image(cluster, each) for each in KEYS])
        await settle(operator, key)
        await look(operator)
    assert images == [list("2111"), list("2211"), list("2221"), list("2222")]


async def test_an_image_that_breaks_models_stops_after_the_first(cluster):
    await serve_all(cluster)
    operator = Operator(cluster, build_policy(IMAGE % ("2", 1)))
    await look(operator)
    await look(operator)
    first = KEYS[0]
    assert image(cluster, first) == "2"
    body = cluster.children["Deployment", first]
    body["status"] = {
        "observedGeneration": body["metadata"]["generation"],
        "replicas": 2,
        "updatedReplicas": 1,
        "readyReplicas": 1,
        "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        ],
    }
    await operator.reconcile(first)
    await look(operator)
    await look(Operator(cluster, build_policy(IMAGE % ("2", 1))))
    assert [image(cluster, key) for key in KEYS] == list("1111")
    assert conditions(cluster, first)["Progressing"] == ("False", "RolledBack")
