"""A model that cannot start says why, and what to do, on the object."""

import pytest

from examples import demo
from modelyard_local import images
from tests.support.waiting import wait_for

SECONDS = 30


@pytest.fixture(scope="session")
def broken_image(installed, tmp_path_factory):
    """MiniLM with the second half of its weights cut off."""
    folder = tmp_path_factory.mktemp("broken")
    minilm = next(e for e in demo.EXAMPLES if e.name == "minilm")
    demo.make_model(minilm, folder)
    weights = folder / "model.safetensors"
    with weights.open("r+b") as file:
        file.truncate(weights.stat().st_size // 2)
    reference = images.build_model(folder, "truncated")
    images.load(installed, reference)
    return reference


def wait_failure(namespace, name, reason):
    """The failure that the object names within the time that people are promised.

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


def test_a_truncated_weights_file_is_named(namespace, broken_image):
    namespace.apply("broken", broken_image)
    failure = wait_failure(namespace, "broken", "ModelFileCorrupt")
    assert failure["exitCode"] == 78
    assert "model.safetensors" in failure["message"]


def test_a_model_image_that_does_not_exist_is_named(namespace):
    reference = "localhost/models/no-such-model:1"
    namespace.apply("missing", reference)
    failure = wait_failure(namespace, "missing", "ModelImagePullFailed")
    assert reference in failure["message"]


def test_a_kill_by_the_kernel_names_the_limit(namespace, model_images):
    """So little that Python itself is killed while it starts to load."""
    namespace.apply("hungry", model_images["minilm"], resources={"memory": "24Mi"})
    failure = wait_failure(namespace, "hungry", "OutOfMemory")
    assert failure["exitCode"] == 137
    assert "24Mi" in failure["message"]
    assert "spec.resources.memory" in failure["hint"]


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        pytest.param("minilm", "200Mi", id="less than the libraries take"),
        pytest.param("smollm2", "700Mi", id="less than the weights take beside the libraries"),
    ],
)
def test_too_little_memory_is_refused_before_the_kernel_must_kill(
    namespace, model_images, name, memory
):
    namespace.apply(name, model_images[name], resources={"memory": memory})
    failure = wait_failure(namespace, name, "NotEnoughMemory")
    assert failure["exitCode"] == 78
    assert "spec.resources.memory" in failure["hint"]


def test_a_gpu_that_no_node_has_is_named(namespace, model_images):
    namespace.apply("wants-gpu", model_images["minilm"], resources={"gpu": {"count": 1}})
    failure = wait_failure(namespace, "wants-gpu", "Unschedulable")
    assert "nvidia.com/gpu" in failure["message"] + failure["hint"]


def test_a_repaired_model_forgets_its_failure(namespace, broken_image, model_images):
    namespace.apply("mended", broken_image)
    wait_failure(namespace, "mended", "ModelFileCorrupt")
    namespace.apply("mended", model_images["minilm"])
    namespace.wait_ready("mended")
    assert "failure" not in namespace.status("mended")


def test_a_broken_update_leaves_the_old_pods_serving(namespace, broken_image, model_images):
    namespace.apply("updated", model_images["minilm"])
    namespace.wait_ready("updated")
    namespace.apply("updated", broken_image)
    wait_for(
        lambda: namespace.condition("updated", "Ready") == ("False", "ModelFileCorrupt"),
        what="the broken revision is named",
        seconds=SECONDS,
        told=lambda: namespace.describe("updated"),
    )
    assert namespace.condition("updated", "Available") == ("True", "Serving")
