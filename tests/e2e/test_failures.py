"""What becomes of a model that could not start. What it says is in test_explanations.py."""

from tests.support.waiting import wait_for

#: Until a pod has started and failed; how soon that is told is measured beside the explanations.
SECONDS = 180


def wait_failure(namespace, name, reason):
    """The failure that the object names in the end.

    Another may come before it, and rightly: on a small node a pod is unschedulable until the pods
    of the test before have gone.
    """

    def look():
        failure = namespace.status(name).get("failure")
        return failure if failure and failure["reason"] == reason else None

    failure = wait_for(
        look,
        what=f"{name} fails with {reason}",
        seconds=SECONDS,
        told=lambda: namespace.describe(name),
    )
    assert namespace.condition(name, "Ready") == ("False", reason)
    assert namespace.condition(name, "Available") == ("False", reason)
    assert failure["hint"]
    return failure


def test_a_repaired_model_forgets_its_failure(namespace, broken_image, model_images):
    namespace.apply("mended", broken_image)
    wait_failure(namespace, "mended", "ModelFileCorrupt")
    namespace.apply("mended", model_images["minilm"])
    namespace.wait_ready("mended")
    assert "failure" not in namespace.status("mended")


def test_a_broken_update_leaves_the_old_pods_serving(namespace, broken_image, model_images):
    namespace.apply("updated", model_images["minilm"])
    namespace.wait_ready("updated")
    namespace.apply("updated", broken_image, update={"onFailure": "pause"})
    wait_for(
        lambda: namespace.status("updated").get("failure", {}).get("reason") == "ModelFileCorrupt",
        what="the broken revision is named",
        seconds=SECONDS,
        told=lambda: namespace.describe("updated"),
    )
    assert namespace.condition("updated", "Available") == ("True", "Serving")
