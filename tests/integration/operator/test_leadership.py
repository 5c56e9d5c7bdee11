"""Two operators and one lease: who writes, how soon the other does, and who never again."""

import json
import re
import signal
import sys
from http import HTTPStatus
from urllib.error import HTTPError

import pytest

from tests.support import audit_log
from tests.support.kubectl import MDL, Namespace, build_manifest
from tests.support.operator_process import OperatorProcess, read_namespace
from tests.support.waiting import wait_for

LEASE = "modelyard-operator"
COUNT = 10


class Replica(OperatorProcess):
    """One of several operators, told apart by its pod's name."""

    def __init__(self, kubeconfig, folder, name):
        folder.mkdir()
        super().__init__(kubeconfig, folder, MODELYARD_POD_NAME=name)
        self.name, self.agent = name, f"modelyard-operator/{name}"

    def is_leading(self):
        return self.metric("modelyard_operator_is_leader") == 1

    def wait_leading(self):
        wait_for(self.is_leading, what=f"{self.name} leads", seconds=60, told=self.log)


@pytest.fixture(scope="module")
def replicas(operator, node, service_account, tmp_path_factory):  # noqa: ARG001 - pods need the node
    """Two operators in place of the other tests' one, for the same lease."""
    operator.stop()
    folder = tmp_path_factory.mktemp("replicas")
    replicas = [Replica(service_account, folder / name, name) for name in ("a", "b")]
    yield replicas
    for replica in replicas:
        replica.stop()
    operator.start()


@pytest.fixture
def pair(replicas):
    """One that leads, and one that stands by; what another test has ended is started again."""
    for replica in replicas:
        if replica.process is None:
            replica.start()
    first, second = replicas
    wait_for(lambda: first.is_leading() or second.is_leading(), what="one leads", seconds=60)
    return (first, second) if first.is_leading() else (second, first)


@pytest.fixture
def place(control_plane, namespace):
    """A namespace for models."""
    return Namespace(control_plane, namespace)


@pytest.fixture
def log(control_plane):
    """What the API server says who wrote."""
    log = audit_log.AuditLog(control_plane)
    if not log.exists():
        pytest.skip("this control plane was brought up without an audit log")
    return log


@pytest.fixture
def read_lease(control_plane, service_account):
    namespace = read_namespace(service_account)

    def read():
        text = control_plane.kubectl("-n", namespace, "get", "lease", LEASE, "-o", "json")
        return json.loads(text)["spec"]

    return read


def wait_all_ready(place, names):
    def ready():
        return {
            item["metadata"]["name"]
            for item in place.list(MDL)
            if item.get("status", {}).get("phase") == "Ready"
            and item["status"]["conditions"][0]["observedGeneration"]
            == item["metadata"]["generation"]
        }

    place.wait(lambda: ready() == set(names), f"{len(names)} models ready", 120)


def seconds_to_first_write(log, operator, since, *resources):
    """How long after a moment an operator first wrote one of them, by the API server."""
    writes = log.find_writes(operator.agent, since)
    done = [w for w in writes if w.resource in resources and w.status < HTTPStatus.BAD_REQUEST]
    return (done[0].at - since).total_seconds()


def tell_first_write(log, operator, since, what):
    """Say how soon it wrote models' children; how soon it took the lease is what is promised."""
    took = seconds_to_first_write(log, operator, since, "deployments", "services")
    sys.stdout.write(f"from {what} to the standby's first write: {took:.1f} s\n")


def test_one_leads_and_both_are_ready(pair, place, log, read_lease):
    began = audit_log.now()
    leader, standby = pair
    place.apply()
    place.wait_ready()
    assert (leader.is_leading(), standby.is_leading()) == (True, False)
    assert (standby.ask("/livez"), standby.ask("/readyz")) == ("ok\n", "ok\n")
    assert (standby.reconciles(), standby.writes()) == (0, 0)
    assert log.find_writes(standby.agent, began) == []
    lease = read_lease()
    assert re.fullmatch(leader.name + "_[0-9a-f]{8}", lease["holderIdentity"])
    assert lease["leaseDurationSeconds"] == 10
    # The standby reads it all the same, and would begin with it.
    wait_for(
        lambda: standby.metric("modelyard_operator_modeldeployments") >= 1,
        what="the standby has read it",
        seconds=60,
    )


def test_a_leader_that_is_stopped_hands_over_at_once(pair, place, log, read_lease):
    leader, standby = pair
    transitions = read_lease()["leaseTransitions"]
    since = audit_log.now()
    leader.process.send_signal(signal.SIGTERM)
    place.apply()
    place.wait_ready()
    # Not stopped once more: on its last steps it would hear of that.
    assert leader.process.wait(timeout=60) == 0
    leader.stop()
    tell_first_write(log, standby, since, "SIGTERM")
    # Not released, it would hold for more than seven.
    assert seconds_to_first_write(log, standby, since, "leases") < 6
    assert standby.is_leading()
    assert read_lease()["leaseTransitions"] == transitions + 1


def test_a_leader_that_is_killed_is_replaced_within_fifteen_seconds(pair, place, log):
    leader, standby = pair
    place.apply("edited")
    place.apply("removed")
    wait_all_ready(place, ["edited", "removed"])
    since = audit_log.now()
    leader.stop(signal.SIGKILL)
    # What happens while nobody leads is not lost.
    names = [f"model-{number:02}" for number in range(COUNT)]
    place.apply_all([build_manifest(name) for name in names])
    place.apply("edited", scaling={"replicas": 2})
    place.kubectl("delete", "service", "removed")
    wait_all_ready(place, ["edited", "removed", *names])
    tell_first_write(log, standby, since, "SIGKILL")
    assert seconds_to_first_write(log, standby, since, "leases") < 15
    assert place.get("deployment", "edited")["spec"]["replicas"] == 2
    assert place.get("service", "removed") is not None


def test_a_leader_that_was_frozen_past_its_lease_writes_nothing_more(pair, place, log):
    frozen, standby = pair
    names = [f"model-{number:02}" for number in range(COUNT)]
    before = frozen.writes()
    place.apply_all([build_manifest(name) for name in names])
    # In the middle of its work.
    wait_for(lambda: frozen.writes() > before, what="it writes", seconds=60)
    frozen.process.send_signal(signal.SIGSTOP)
    standby.wait_leading()
    since = audit_log.now()
    wait_all_ready(place, names)
    # Things that it would undo, if it went on from where it was.
    place.apply_all([build_manifest(name, scaling={"replicas": 2}) for name in names])
    wait_all_ready(place, names)
    before = place.wait_settled()
    frozen.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "standing by" in last_messages(frozen), what="it stands by", seconds=60)
    place.apply_all([build_manifest(name, scaling={"replicas": 3}) for name in names[:5]])
    wait_all_ready(place, names)
    assert log.find_writes(frozen.agent, since) == []
    untouched = {key: version for key, version in before.items() if key[1] not in names[:5]}
    assert untouched.items() <= place.versions().items()
    assert (frozen.is_leading(), frozen.ask("/readyz")) == (False, "ok\n")
    # It is as good a standby as any.
    standby.stop()
    place.apply("next")
    place.wait_ready("next")
    assert frozen.is_leading()


def test_an_operator_without_rights_on_the_lease_is_not_ready(service_account, tmp_path):
    stranger = OperatorProcess(service_account, tmp_path, MODELYARD_LEASE_NAME="another")
    stranger.start(wait=False)
    try:
        wait_for(lambda: "no hold of the lease" in stranger.log(), what="it complains", seconds=60)
        assert "403 Forbidden" in stranger.log()
        # What it reads besides may not be there yet.
        wait_for(
            lambda: ask_unready(stranger) == "not ok: lease\n",
            what="nothing but the lease is missing",
            seconds=60,
            told=lambda: ask_unready(stranger),
        )
        assert stranger.ask("/livez") == "ok\n"
        assert stranger.stop() == 0
    finally:
        stranger.stop(signal.SIGKILL)


def ask_unready(operator):
    """What an operator says that it lacks."""
    with pytest.raises(HTTPError) as answer:
        operator.ask("/readyz")
    return answer.value.read().decode()


def last_messages(operator):
    """What an operator has said since it lost the lease."""
    messages = [line["message"] for line in operator.log_lines()]
    lost = [n for n, message in enumerate(messages) if message.startswith("lost the lease")]
    return messages[lost[-1] :] if lost else []
