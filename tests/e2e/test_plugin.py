"""`kubectl modelyard` with pods that run: asking them, and the log of one that cannot start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import wait_for

BIN = Path(sys.executable).parent


@pytest.fixture
def environment(namespace):
    """What a person has: kubectl, and the plugin where kubectl finds it."""
    found = namespace.cluster.environment()
    return {**found, "PATH": f"{BIN}{os.pathsep}{found['PATH']}"}


@pytest.fixture
def plugin(namespace, environment):
    def run(*arguments, **options):
        return subprocess.run(
            ["kubectl", "modelyard", *arguments, "-n", namespace.name],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=180,
            **options,
        )

    return run


def test_a_model_is_asked_through_the_cluster(namespace, model_images, plugin):
    namespace.apply("sentiment", model_images["sentiment"])
    namespace.wait_ready("sentiment")
    done = plugin("try", "sentiment", "-", input="Lovely, I would come again.")
    assert (done.returncode, done.stderr) == (0, "")
    (best, score), (other, _) = (line.split() for line in done.stdout.splitlines())
    assert (best, other, float(score) > 0.5) == ("positive", "negative", True)
    assert '"id": "sentiment"' in plugin("try", "sentiment", "--path", "/v1/models").stdout


@pytest.mark.timeout(600)
def test_a_chat_streams_and_an_interrupt_leaves_nothing_running(
    namespace, model_images, environment
):
    namespace.apply("smollm2", model_images["smollm2"])
    namespace.wait_ready("smollm2")
    with subprocess.Popen(
        [
            BIN / "kubectl-modelyard",
            "try",
            "smollm2",
            "-n",
            namespace.name,
            "Tell me a long story.",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        try:
            first = os.read(process.stdout.fileno(), 1)  # while the rest is still being written
            tunnels = find_children(process.pid)
            assert process.poll() is None, process.stderr.read().decode()
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=30)[1].decode()
        finally:
            process.kill()
    assert first.strip()
    assert (process.returncode, "Traceback" in told) == (130, False)
    assert len(tunnels) == 1
    wait_for(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in tunnels),
        what="kubectl has ended",
        seconds=10,
    )


def find_children(parent):
    """The processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def test_the_last_words_of_a_pod_that_cannot_start_are_on_the_screen(
    namespace, model_images, plugin
):
    namespace.apply("small", model_images["smollm2"], resources={"memory": "300Mi"})
    wait_for(
        lambda: (namespace.condition("small", "Ready") or ("", ""))[1] == "NotEnoughMemory",
        what="NotEnoughMemory",
        seconds=120,
        told=lambda: namespace.describe("small"),
    )
    done = plugin("explain", "small")
    assert (done.returncode, done.stderr) == (0, "")
    pod = namespace.list("pods")[0]["metadata"]["name"]
    head, _, log = done.stdout.partition(f"\nLOG of {pod}, container runtime")
    assert head.startswith(f"{namespace.name}/small: Not ready (NotEnoughMemory), since ")
    assert "To do: Set spec.resources.memory" in head
    assert "cannot_start reason=NotEnoughMemory" in log
