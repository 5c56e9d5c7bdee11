"""The operator's process: stopped, killed, restarted, upgraded."""

import signal
import time
import uuid

import pytest

from tests.support.kubectl import MDL, Namespace, build_manifest
from tests.support.operator_process import POLICY, OperatorProcess

COUNT = 30
MANY = 200


@pytest.fixture(scope="module")
def many(control_plane, operator):
    """A namespace with many models that serve."""
    if operator.process is None:
        operator.start()
    team = Namespace(control_plane, f"test-{uuid.uuid4().hex[:8]}", operator.log)
    control_plane.kubectl("create", "namespace", team.name)
    team.apply_all([build_manifest(f"model-{number:03}") for number in range(MANY)])
    wait_all_ready(team, MANY)
    yield team
    control_plane.kubectl("delete", "namespace", team.name, "--wait=false")


def wait_all_ready(team, count=COUNT):
    def ready():
        return sum(item.get("status", {}).get("phase") == "Ready" for item in team.list(MDL))

    team.wait(lambda: ready() == count, f"{count} models ready", 240)


def wait_quiet(operator, seconds=2.0):
    """Wait until the operator has had nothing to do for a while."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        before = operator.reconciles()
        time.sleep(seconds)
        if operator.reconciles() == before:
            return
    raise AssertionError("the operator does not come to rest")


def test_a_restart_over_many_objects_writes_nothing(many, operator):
    # Nor does what earlier tests have left behind, once it is gone.
    many.wait(lambda: not find_leaving(many), "no namespace is on its way out", 120)
    before = many.wait_settled()
    operator.restart()
    many.wait(lambda: operator.reconciles() >= MANY, "all looked at again", 120)
    wait_quiet(operator)
    assert operator.writes() == 0
    assert many.versions() == before


def find_leaving(team):
    namespaces = team.list("namespaces")
    return [item for item in namespaces if item["status"]["phase"] == "Terminating"]


def test_an_upgrade_of_the_platform_restarts_no_model(many, operator):
    before = many.wait_settled()
    operator.restart(policy=POLICY.replace(":test", ":next") + "defaults: {cpu: '1', memory: 2Gi}")
    many.wait(lambda: operator.reconciles() >= MANY, "all looked at again", 120)
    assert many.versions() == before
    # A model that is changed takes the new values; its neighbours keep theirs.
    many.apply("model-000", uri="oci://registry.example.com/models/next:1")
    many.wait_ready("model-000")
    containers = many.get("deployment", "model-000")["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"].endswith(":next")
    assert {k: v for k, v in many.versions().items() if k[1] != "model-000"} == {
        k: v for k, v in before.items() if k[1] != "model-000"
    }
    operator.restart(policy=POLICY)


def test_a_model_deleted_while_the_operator_is_away_goes_with_its_children(team, operator):
    team.apply()
    team.wait_ready()
    operator.stop()
    team.kubectl("delete", MDL, "qwen", "--timeout=20s")
    team.wait(lambda: not team.list("deployments") and not team.list("services"), "collected")
    operator.start()


def test_what_happened_while_the_operator_was_away_is_made_good(team, operator):
    team.apply("edited")
    team.apply("removed")
    team.wait_ready("edited")
    team.wait_ready("removed")
    operator.stop()
    team.kubectl("scale", "deployment", "edited", "--replicas=4")
    team.kubectl("delete", "service", "removed")
    team.apply("new")
    operator.start()
    team.wait(lambda: team.get("deployment", "edited")["spec"]["replicas"] == 1, "edit undone")
    team.wait(lambda: team.get("service", "removed"), "service made again")
    team.wait_ready("new")


def test_kills_in_the_middle_of_the_work_change_nothing_of_its_end(team, operator):
    team.apply_all([build_manifest(f"model-{number:02}") for number in range(COUNT)])
    for _ in range(3):
        operator.restart(number=signal.SIGKILL)
    wait_all_ready(team)
    wait_quiet(operator)
    assert len(team.list("deployments")) == len(team.list("services")) == COUNT


def test_the_operator_stops_cleanly_when_asked(operator):
    assert operator.stop(signal.SIGTERM) == 0
    messages = [line["message"] for line in operator.log_lines()]
    assert messages[-1] == "stopped"
    operator.start()


def test_models_that_are_served_cost_nothing(team, operator):
    team.apply()
    team.wait_ready()
    wait_quiet(operator, seconds=5)


def test_a_bad_policy_ends_the_process_with_a_message(service_account, tmp_path):
    process = OperatorProcess(service_account, tmp_path, policy="runtime: {imag: x}")
    with pytest.raises(AssertionError, match=r"runtime\.image: Field required"):
        process.start()
    assert process.process.wait(timeout=60) == 2


def test_the_operators_health_and_metrics_can_be_asked_for(team, operator):
    assert (operator.ask("/livez"), operator.ask("/readyz")) == ("ok\n", "ok\n")
    team.apply()
    team.wait_ready()
    assert operator.metric("modelyard_operator_modeldeployments") >= 1
    # Of an object that came during a comparison the next one knows, two minutes later.
    team.wait(lambda: operator.metric("modelyard_operator_audit_lag") == 0, "no lag", 180)
