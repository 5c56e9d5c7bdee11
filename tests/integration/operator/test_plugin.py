"""`kubectl modelyard` beside a real operator and API server; kwok plays the pods."""

import json
import os
import subprocess
import sys
import uuid
from itertools import count
from pathlib import Path

import pytest
import yaml

from tests.integration.operator.test_failures import set_pod_status
from tests.support.objects import NOW
from tests.support.waiting import wait_for

BIN = Path(sys.executable).parent
MAY_READ_MODELS = {"apiGroups": ["modelyard.dev"], "resources": ["modeldeployments"]}


@pytest.fixture
def plugin(team):
    """Run `kubectl modelyard …` as kubectl finds it, in the team's namespace."""

    def run(*arguments, namespace=team.name, kubeconfig=None):
        where = () if namespace is None else ("-n", namespace)
        environment = team.cluster.environment()
        environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
        environment |= {} if kubeconfig is None else {"KUBECONFIG": str(kubeconfig)}
        return subprocess.run(
            ["kubectl", "modelyard", *arguments, *where],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=120,
        )

    return run


def explain(plugin, *arguments, **options):
    done = plugin("explain", "qwen", *arguments, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def wait_told(plugin, *parts):
    """Wait until all of them are told: Events come when those who post them get to it."""

    def is_told():
        told = explain(plugin)
        return all(part in told for part in parts)

    wait_for(is_told, what=f"{parts} are told", seconds=60, told=lambda: explain(plugin))


def log_in(team, path, token=None):
    """A kubeconfig whose context names the team's namespace, perhaps with another account."""
    config = yaml.safe_load(team.cluster.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = team.name
    if token is not None:
        config["users"] = [{"name": u["name"], "user": {"token": token}} for u in config["users"]]
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_list_shows_what_is_ready_and_what_is_not(team, plugin, tmp_path):
    team.apply()
    team.apply("nogpu", resources={"gpu": {"count": 2}})
    team.wait_ready()
    team.wait_condition("Ready", "False", "Unschedulable", "nogpu")
    kubeconfig = log_in(team, tmp_path / "kubeconfig")
    done = plugin("ls", namespace=None, kubeconfig=kubeconfig)  # the context's namespace
    heads, nogpu, message, qwen = done.stdout.splitlines()
    assert heads.split() == ["NAME", "READY", "PHASE", "REPLICAS", "DEVICE", "TASK", "REASON"]
    assert nogpu.split() == ["nogpu", "False", "Failed", "0/1", "cuda", "-", "Unschedulable"]
    assert message.startswith("    0 of ")
    assert "nvidia.com/gpu" in message
    assert qwen.split() == ["qwen", "True", "Ready", "1/1", "cpu", "-", "Serving"]
    rows = json.loads(plugin("ls", "-o", "json").stdout)
    assert [(row["name"], row["ready"]) for row in rows] == [("nogpu", "False"), ("qwen", "True")]
    assert f"{team.name}  " in plugin("ls", "-A", namespace=None).stdout


def test_a_ready_model_is_explained_with_all_that_belongs_to_it(team, plugin):
    team.apply()
    team.wait_ready()
    events = ("mdl Ready: 1 of 1 pod ready", "deployment ScalingReplicaSet: Scaled up")
    wait_told(plugin, *events)
    told = explain(plugin)
    assert told.startswith(f"{team.name}/qwen: Ready, since ")
    pod = team.list("pods")[0]["metadata"]["name"]
    for part in (
        "  Ready        True   ",
        "  Deployment  qwen  1 of 1 ready, 1 updated",
        f"  {pod}: Running, ready, 0 restarts, on operator-",
    ):
        assert part in told
    assert max(map(len, told.splitlines())) <= 80


def test_what_is_missing_on_the_nodes_is_the_first_that_is_told(team, plugin):
    team.apply(resources={"gpu": {"count": 2}})
    team.wait_condition("Ready", "False", "Unschedulable")
    wait_told(plugin, "FailedScheduling")
    head, _, rest = explain(plugin).partition("\nCONDITIONS")
    assert head.startswith(f"{team.name}/qwen: Not ready (Unschedulable), since ")
    assert "To do: Each pod asks for 2 of nvidia.com/gpu" in head
    assert "    waits: Unschedulable: 0/" in rest


def test_a_pod_that_died_is_shown_although_its_log_cannot_be_read(team, plugin):
    """Nothing runs on a node of kwok, so no log does either."""
    team.apply(resources={"memory": "1Gi"})
    team.wait_ready()
    ended = {"exitCode": 137, "reason": "OOMKilled", "message": "loading\n50%\x1b[2J"}
    times = {"startedAt": NOW, "finishedAt": NOW}
    pod = set_pod_status(
        team,
        state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        lastState={"terminated": {**ended, **times}},
    )
    team.wait_condition("Ready", "False", "OutOfMemory")
    told = explain(plugin)
    assert f"{pod}: Running, not ready, 2 restarts" in told
    assert "waits: CrashLoopBackOff: back-off" in told
    assert "with exit code 137 (OOMKilled): 50%\\x1b[2J" in told
    assert f"LAST WORDS of {pod}\n  It could not be read: " in told
    assert "Kept in status.failure:\n  loading\n" in told


def test_what_an_account_may_not_read_is_said_in_its_place(team, plugin, tmp_path):
    team.apply()
    team.wait_ready()
    account = f"reader-{uuid.uuid4().hex[:6]}"
    team.kubectl("create", "serviceaccount", account)
    where = f"--serviceaccount={team.name}:{account}"
    verbs = ("--verb=get", "--verb=list")
    team.kubectl("create", "role", account, *verbs, "--resource=modeldeployments.modelyard.dev")
    team.kubectl("create", "rolebinding", account, f"--role={account}", where)
    token = team.kubectl("create", "token", account).strip()
    kubeconfig = log_in(team, tmp_path / "kubeconfig", token)
    told = " ".join(explain(plugin, "--logs", kubeconfig=kubeconfig).split())
    assert told.startswith(f"{team.name}/qwen: Ready, since ")
    for what in ("deployments", "services", "pods", "events"):
        assert f"You may not read {what} in this namespace" in told
    refused = plugin("ls", "-A", namespace=None, kubeconfig=kubeconfig)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cannot list resource" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_change_that_no_operator_looks_at_is_told(team, operator, plugin):
    team.apply()
    team.wait_ready()
    operator.stop()
    try:
        replicas = count(2)

        def is_just_changed():
            """Changed once more: where the machine is busy, ten seconds may have passed."""
            team.apply(scaling={"replicas": next(replicas)})
            return "Just changed (NotObserved)" in explain(plugin)

        wait_for(is_just_changed, what="a change is told at once", seconds=60)
        wait_for(
            lambda: "No operator has looked at this spec for" in explain(plugin),
            what="ten seconds are over",
            seconds=60,
        )
        assert "-l app.kubernetes.io/name=modelyard-operator" in " ".join(explain(plugin).split())
    finally:
        operator.start()
    team.wait_ready()
    assert f"{team.name}/qwen: Ready, since " in explain(plugin)


def test_a_name_that_is_not_there_is_one_line_with_those_that_are(team, plugin):
    team.apply()
    done = plugin("explain", "gwen")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        (
            "kubectl modelyard: there is no ModelDeployment 'gwen' in namespace "
            f"'{team.name}'. There are: qwen.\n"
        ),
    )


def test_a_model_that_is_not_ready_is_not_asked(team, plugin):
    team.apply(resources={"gpu": {"count": 2}})
    team.wait_condition("Ready", "False", "Unschedulable")
    done = plugin("try", "qwen", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"kubectl modelyard: {team.name}/qwen is not ready (Unschedulable): 0 of "
    )
    assert done.stderr.count("\n") == 1


def test_a_model_that_kubectl_cannot_reach_is_one_line(team, plugin):
    """A pod of kwok has no node that could forward a port."""
    team.apply()
    team.wait_ready()
    done = plugin("try", "qwen", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("kubectl modelyard: ")
