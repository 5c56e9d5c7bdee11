"""Updates on a node with a single card, under clients that keep asking: nothing is lost or stuck.

The card is an extended resource that the real node advertises, so that the pods which hold it run.
"""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
import yaml

from bench.killing import kill_while_draining
from bench.traffic import Outcome, keep_asking
from modelyard_local import nodes, services
from modelyard_local.progress import to_stderr
from tests.support.kubectl import MDL
from tests.support.waiting import wait_for

RESOURCE = "accelerator.example.com/gpu"
BODIES = [{"text": "a lovely film"}, {"text": ["a dull film", "what fun"] * 24}]
MARK = "example.com/try"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def one_card(installed):
    """The only card of the only node."""
    nodes.claim_resource(installed, RESOURCE, 1)
    yield
    nodes.claim_resource(installed, RESOURCE, 0)


@pytest.fixture(scope="module")
def card_profile(one_card, change_values_of_module):  # noqa: ARG001 - the card is there first
    change_values_of_module(
        f"policy.gpu.profiles.card.resourceName={RESOURCE}",
        "policy.gpu.profiles.card.device=cpu",
        f"policy.gpu.profiles.cuda.resourceName={RESOURCE}",
    )
    return {"gpu": {"count": 1, "profile": "card"}}


@pytest.fixture
def sentiment(namespace, model_images, card_profile):
    """A model on the only card, and how to change it."""
    model = Model(namespace, model_images["sentiment"], card_profile)
    model.apply()
    namespace.wait_ready("sentiment")
    yield model
    # Its card is for the next test.
    namespace.kubectl("delete", MDL, "sentiment", "--wait=false", "--ignore-not-found")
    wait_for(lambda: not namespace.list("pods"), what="the card is free", seconds=120)


class Model:
    """The model under test, by what people do to it."""

    def __init__(self, namespace, reference, resources):
        self.namespace, self.reference, self.resources = namespace, reference, resources
        self.revisions = [None]

    def apply(self, reference=None, mark="0", **update):
        quick = {"surgeTimeout": "3s", "drainTimeout": "20s"}
        self.namespace.apply(
            "sentiment",
            reference or self.reference,
            resources=self.resources,
            podTemplate={"annotations": {MARK: mark}},
            update={**quick, **update},
        )

    def revision(self):
        return self.namespace.status("sentiment")["revision"]

    def condition(self, kind):
        return self.namespace.condition("sentiment", kind)

    async def wait(self, kind, expected, seconds=180):
        await asyncio.to_thread(
            wait_for,
            lambda: self.condition(kind) == expected,
            what=f"{kind} is {expected}",
            seconds=seconds,
            told=lambda: self.namespace.describe("sentiment"),
        )

    @asynccontextmanager
    async def asked(self):
        """Ten requests a second while the block runs; none may be lost."""
        cluster = self.namespace.cluster
        with services.service_url(cluster, self.namespace.name, "sentiment") as url:
            async with keep_asking(url, BODIES, per_second=10) as record:
                yield record
        assert record.losses == []
        assert record.outcomes[Outcome.ANSWERED] > 0


def expect(label):
    """A verification that passes or not."""
    request = {"path": "/predict", "body": {"text": "a lovely film"}}
    return {"request": request, "expect": [{"path": "$.label", "equals": label}]}


async def test_an_update_takes_the_place_of_the_pod_that_holds_the_only_card(sentiment):
    before = sentiment.revision()["current"]
    async with sentiment.asked():
        sentiment.apply(mark="1", verify=expect("positive"))
        await sentiment.wait("Ready", ("True", "Serving"))
    revision = sentiment.revision()
    assert revision == {
        "current": revision["target"],
        "target": revision["target"],
        "lastGood": revision["target"],
    }
    assert revision["target"] != before
    # Events are posted after the status, in the background.
    await asyncio.to_thread(
        wait_for,
        lambda: len(read_story(sentiment.namespace)) >= len(STORY),
        what="the last Event",
        seconds=60,
    )
    assert read_story(sentiment.namespace) == STORY


KIND = "ModelDeployment"
STORY = ["Ready", "RollingOut", "Replacing", "Ready"]


def read_story(namespace):
    """Reasons of the model's Events, from when it was ready, the oldest first.

    Before, pods of other tests that are on their way out may hold what it needs.
    """
    events = namespace.list("events", fields=f"involvedObject.kind={KIND}")
    reasons = [event["reason"] for event in sorted(events, key=find_time)]
    return reasons[reasons.index("Ready") :] if "Ready" in reasons else []


def find_time(event):
    return event.get("eventTime") or event["firstTimestamp"]


async def test_a_model_image_that_is_not_there_gives_the_card_back_to_the_last_good_one(sentiment):
    before = sentiment.revision()["current"]
    async with sentiment.asked() as record:
        sentiment.apply("localhost/models/no-such-model:1")
        await sentiment.wait("Progressing", ("False", "RolledBack"))
        await sentiment.wait("Available", ("True", "Serving"))
        answered = record.outcomes[Outcome.ANSWERED]
        wait = time.monotonic() + 60
        while record.outcomes[Outcome.ANSWERED] == answered and time.monotonic() < wait:
            await asyncio.sleep(0.1)
    revision, status = sentiment.revision(), sentiment.namespace.status("sentiment")
    assert (revision["current"], revision["failed"]) == (before, revision["target"])
    assert status["failure"]["reason"] == "ModelImagePullFailed"
    assert "no-such-model" in status["failure"]["message"]
    assert [entry["outcome"] for entry in status["history"]] == ["Failed", "Good"]
    assert sentiment.condition("Ready") == ("False", "RolledBack")
    assert record.outcomes[Outcome.ANSWERED] > answered
    # The spec as it was is served already.
    pods = {pod["metadata"]["uid"] for pod in sentiment.namespace.list("pods")}
    sentiment.apply()
    await sentiment.wait("Ready", ("True", "Serving"))
    assert {pod["metadata"]["uid"] for pod in sentiment.namespace.list("pods")} == pods


async def test_a_model_that_answers_wrongly_never_gets_a_request(sentiment):
    async with sentiment.asked():
        sentiment.apply(verify=expect("no such label"))
        await sentiment.wait("Progressing", ("False", "RolledBack"))
        await sentiment.wait("Available", ("True", "Serving"))
    failure = sentiment.namespace.status("sentiment")["failure"]
    assert failure["reason"] == "VerificationFailed"
    assert "no such label" in failure["message"]
    assert "positive" in failure["message"]


async def test_a_pod_killed_while_it_drains_ends_no_update(sentiment):
    async with sentiment.asked():
        (old,) = sentiment.namespace.list("pods")
        sentiment.apply(mark="killed", strategy="replace")
        cluster = sentiment.namespace.cluster.name
        await asyncio.to_thread(kill_while_draining, cluster, old, to_stderr)
        await sentiment.wait("Ready", ("True", "Serving"))


async def test_a_restart_by_kubectl_goes_through(sentiment):
    before = sentiment.revision()
    (old,) = sentiment.namespace.list("pods")
    async with sentiment.asked():
        sentiment.namespace.kubectl("rollout", "restart", "deployment/sentiment")
        await asyncio.to_thread(
            wait_for,
            lambda: sentiment.namespace.get("pod", old["metadata"]["name"]) is None,
            what="the old pod is gone",
            seconds=120,
            told=lambda: sentiment.namespace.describe("sentiment"),
        )
        await sentiment.wait("Ready", ("True", "Serving"))
    assert sentiment.revision() == before


async def test_a_deletion_in_mid_rollout_leaves_nothing(sentiment):
    sentiment.apply(mark="deleted", strategy="replace")
    await sentiment.wait("Available", ("False", "Starting"))
    sentiment.namespace.kubectl("delete", MDL, "sentiment")
    await asyncio.to_thread(
        wait_for,
        lambda: (
            not any(sentiment.namespace.list(kind) for kind in ("pods", "deployments", "services"))
        ),
        what="everything is gone",
        seconds=120,
        told=lambda: yaml.safe_dump(sentiment.namespace.list("pods")),
    )


@pytest.mark.usefixtures("card_profile")
def test_a_pod_that_would_compute_on_the_cpu_of_a_gpu_node_is_not_available(
    namespace, model_images
):
    """The profile's device is cuda, as by default, and the node has nothing but a name for it."""
    namespace.apply(
        "wrong", model_images["sentiment"], resources={"gpu": {"count": 1, "profile": "cuda"}}
    )
    wait_for(
        lambda: namespace.condition("wrong", "Available") == ("False", "DeviceMismatch"),
        what="the device is named",
        seconds=120,
        told=lambda: namespace.describe("wrong"),
    )
    assert namespace.condition("wrong", "Ready") == ("False", "DeviceMismatch")
    failure = namespace.status("wrong")["failure"]
    assert (failure["exitCode"], "would run on cpu" in failure["message"]) == (78, True)
    assert "runtime.image" in failure["hint"]
    namespace.kubectl("delete", MDL, "wrong")
    wait_for(lambda: not namespace.list("pods"), what="the card is free", seconds=120)
