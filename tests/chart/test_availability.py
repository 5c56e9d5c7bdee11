"""What the chart does so that the operator stays: replicas, the lease, a disruption budget."""

import yaml

from modelyard_operator.settings import Settings


def test_only_the_lease_is_the_operators_in_its_own_namespace(render):
    documents = yaml.safe_load_all(render("--show-only", "templates/operator/rbac.yaml"))
    (role,) = (d for d in documents if d["kind"] == "Role")
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert role["metadata"]["namespace"] == "modelyard-system"
    assert role["rules"] == [
        {**leases, "resourceNames": [Settings().lease_name], "verbs": ["get", "patch"]},
        {**leases, "verbs": ["create"]},
    ]


def test_one_replica_may_go_at_a_time_where_there_are_several(render):
    def budgets(*args):
        documents = yaml.safe_load_all(render(*args))
        return [d["spec"]["maxUnavailable"] for d in documents if d and is_budget(d)]

    def is_budget(document):
        return document["kind"] == "PodDisruptionBudget"

    assert (budgets(), budgets("--set", "operator.replicas=1")) == ([1], [])


def test_the_grace_period_is_enough_to_drain_and_to_release_the_lease(render):
    text = render("--show-only", "templates/operator/deployment.yaml")
    grace = yaml.safe_load(text)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    # Events 2 s, the lease 2 s, kopf 10 s.
    assert grace > Settings().drain_seconds + 14
