"""From bodies to records: what is read, and what must not make noise."""

from modelyard_operator.projection import project_deployment, project_service
from tests.support.objects import build_pod, condition, container, pod, status_of

METADATA = {
    "name": "qwen",
    "namespace": "team",
    "uid": "u",
    "resourceVersion": "5",
    "generation": 2,
    "labels": {"modelyard.dev/model": "qwen"},
    "annotations": {
        "modelyard.dev/applied-hash": "h",
        "modelyard.dev/template-input": "i",
        "modelyard.dev/rendering": "{}",
    },
    "ownerReferences": [
        {"kind": "Other", "name": "o", "uid": "x"},
        {"kind": "ModelDeployment", "name": "qwen", "uid": "owner", "controller": True},
    ],
}


def claim(manager, operation="Apply", fields=None, **more):
    return {
        "manager": manager,
        "operation": operation,
        "fieldsV1": fields or {"f:spec": {}},
        **more,
    }


def child(*claims, **more):
    return project_service({"metadata": {**METADATA, "managedFields": list(claims)}, **more})


def test_a_child_is_known_by_its_owner_hash_and_annotations():
    record = project_deployment({"metadata": METADATA, "spec": {"replicas": 3}})
    assert (record.owner_uid, record.owner_name, record.applied_hash) == ("owner", "qwen", "h")
    assert (record.template_input, record.rendering, record.rollout.wanted) == ("i", "{}", 3)


def test_metadata_alone_is_enough():
    record = project_deployment({"metadata": {**METADATA, "annotations": None, "labels": None}})
    assert (record.model, record.applied_hash, record.rollout.wanted) == ("qwen", "", 0)


def test_a_child_that_only_we_have_written_is_not_foreign():
    ours = child(
        claim("modelyard"), claim("kube-controller-manager", "Update", subresource="status")
    )
    assert not ours.is_foreign


def test_somebody_elses_field_shows():
    before = child(claim("modelyard"))
    after = child(claim("modelyard"), claim("kubectl-edit", "Update"))
    assert after.is_foreign
    assert after.touched != before.touched


def test_a_field_that_somebody_took_away_shows():
    """A label removed has no owner any more, and raises no generation."""
    before = child(claim("modelyard", fields={"f:metadata": {"f:labels": {"f:a": {}}}}))
    after = child(claim("modelyard", fields={"f:metadata": {}}))
    assert after.touched != before.touched


def test_a_write_that_changed_nothing_does_not_show():
    before = child(claim("modelyard", time="2026-11-22T10:00:00Z"))
    after = child(claim("modelyard", time="2026-11-22T11:00:00Z"))
    assert after == before


def test_a_pod_without_status_is_read():
    body = build_pod()
    del body["status"]
    record = pod()
    assert record.phase == "Pending"
    assert (record.ip, record.facts, record.last_exit, record.restarts) == ("", (), None, 0)


def test_conditions_that_nobody_reads_do_not_wake_anybody():
    quiet = pod(status=status_of(condition("Ready")))
    noisy = pod(status=status_of(condition("Ready"), condition("Initialized", since=5)))
    assert quiet == noisy


def test_the_present_end_of_a_container_comes_before_the_last_one():
    containers = container(
        {"terminated": {"exitCode": 2}}, {"terminated": {"exitCode": 1}}, restarts=1
    )
    assert pod(status=status_of(containers=containers)).last_exit.code == 2


REPLICAS = {"f:spec": {"f:replicas": {}}}


def deployment(*claims):
    metadata = {**METADATA, "managedFields": list(claims)}
    return project_deployment({"metadata": metadata, "spec": {"replicas": 3}})


def test_whose_word_replicas_are():
    assert deployment(claim("modelyard", fields=REPLICAS)).owns_replicas
    assert not deployment(claim("modelyard")).owns_replicas
    others = claim("modelyard-scale", fields=REPLICAS, subresource="scale")
    assert not deployment(claim("modelyard"), others).owns_replicas


def test_who_scales_makes_no_noise_where_the_replicas_are_not_ours():
    before = deployment(claim("modelyard"))
    after = deployment(
        claim("modelyard"),
        claim("kube-controller-manager", "Update", REPLICAS, subresource="scale"),
    )
    assert (after.touched, after.is_foreign) == (before.touched, False)
