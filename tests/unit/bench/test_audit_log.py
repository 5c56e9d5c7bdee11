"""From lines of an audit log to what a benchmark says of them."""

import json

import pytest

from bench.audit_log import (
    AuditLog,
    Request,
    Window,
    count_per_object,
    count_writes,
    find_creations,
    find_last_write,
    measure_creations,
    measure_rate,
    parse_requests,
)

OPERATOR = "system:serviceaccount:modelyard-system:operator"
DAY = "2026-11-22T10:00:"
NOON = 1795341600.0  # 10:00:00 of that day
A, B = ("team", "a"), ("team", "b")


def line(verb, resource, name="a", *, code=200, at="00.000000", took="00.000000", **more):
    """An event as the API server writes it."""
    about = {"resource": resource, "namespace": "team", "name": name, "apiVersion": "v1"}
    if subresource := more.pop("subresource", None):
        about["subresource"] = subresource
    event = {
        "kind": "Event",
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": OPERATOR},
        "objectRef": about,
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": f"{DAY}{at}Z",
        "stageTimestamp": f"{DAY}{took}Z",
    }
    return json.dumps(event | more)


def request(verb, resource, name=A, *, code=200, at=0.0, took=0.0, user=OPERATOR):
    return Request(user, verb, resource, name, code, at, at + took)


def test_a_line_becomes_a_request():
    text = line("patch", "deployments", code=201, at="01.250000", took="01.500250")
    assert parse_requests([text]) == [
        Request(OPERATOR, "patch", "deployments", A, 201, NOON + 1.25, NOON + 1.50025)
    ]


def test_who_was_refused_before_being_known_has_no_name():
    (found,) = parse_requests([line("list", "pods", code=401, user={})])
    assert (found.user, found.code) == ("", 401)


def test_a_subresource_is_part_of_the_resource():
    (found,) = parse_requests([line("patch", "modeldeployments", subresource="status")])
    assert (found.resource, found.title) == (
        "modeldeployments/status",
        "patch modeldeployments/status",
    )


def test_what_has_no_object_or_no_answer_yet_is_left_out():
    version = json.loads(line("get", "x"))
    del version["objectRef"]
    opened = line("watch", "pods", stage="ResponseStarted")
    assert parse_requests([json.dumps(version), opened]) == []


def test_a_request_about_a_collection_has_no_name():
    event = json.loads(line("list", "pods"))
    event["objectRef"] = {"resource": "pods"}
    (found,) = parse_requests([json.dumps(event)])
    assert (found.name, found.is_write) == (("", ""), False)


def test_a_line_that_is_no_json_is_an_error():
    with pytest.raises(ValueError, match="Expecting value"):
        parse_requests(["E1122 10:00:00 something went wrong"])


def test_half_a_line_waits_for_its_other_half(tmp_path):
    path, whole = tmp_path / "audit.log", line("get", "pods")
    log = AuditLog(path)
    path.write_text(f"{whole}\n{whole[:40]}")
    assert len(log.read()) == 1
    with path.open("a") as file:
        file.write(f"{whole[40:]}\n")
    assert [found.title for found in log.read()] == ["get pods", "get pods"]


def test_an_object_is_created_by_whichever_verb_is_answered_with_201():
    requests = [
        request("create", "deployments", A, code=409, at=1),
        request("create", "deployments", A, code=201, at=2, took=0.5),
        request("patch", "deployments", B, code=201, at=3, took=0.5),
        request("patch", "deployments", A, at=4),
        request("create", "services", A, code=201, at=5),
    ]
    assert find_creations(requests, "deployments") == {A: 2.5, B: 3.5}


def test_a_childs_time_counts_from_the_answer_to_its_owners_creation():
    requests = [
        request("create", "modeldeployments", A, code=201, at=1.0, took=0.25, user="me"),
        request("create", "modeldeployments", B, code=201, at=2.0, took=0.75, user="me"),
        request("patch", "deployments", A, code=201, at=1.25, took=0.5),
        request("patch", "deployments", B, code=201, at=2.0, took=0.5),
    ]
    found = measure_creations(requests, owner="modeldeployments", child="deployments", names=[A, B])
    assert found == [0.5, -0.25]


def test_a_rate_is_from_the_first_owner_to_the_last_child():
    requests = [
        request("create", "modeldeployments", A, code=201, at=1.0, user="me"),
        request("create", "modeldeployments", B, code=201, at=1.5, user="me"),
        request("patch", "deployments", B, code=201, at=2.0),
        request("patch", "deployments", A, code=201, at=4.5, took=0.5),
    ]
    rate = measure_rate(requests, owner="modeldeployments", child="deployments", names=[A, B])
    assert rate == 0.5


def test_an_object_without_its_child_is_an_error():
    requests = [request("create", "modeldeployments", A, code=201)]
    with pytest.raises(KeyError, match="team"):
        measure_creations(requests, owner="modeldeployments", child="deployments", names=[A])


REQUESTS = [
    request("get", "modeldeployments", A, at=10),
    request("get", "modeldeployments", B, at=11),
    request("patch", "deployments", A, code=201, at=12),
    request("patch", "deployments", B, code=201, at=12),
    request("patch", "modeldeployments/status", A, at=13),
    request("update", "leases", A, at=13),
    request("watch", "pods", A, at=13),
    request("patch", "deployments", A, at=13, user="somebody else"),
    request("patch", "deployments", A, at=20),
]


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        pytest.param(
            True,
            {"patch deployments": 1.0, "patch modeldeployments/status": 0.5},
            id="writes without leases, strangers and what comes later",
        ),
        pytest.param(False, {"get modeldeployments": 1.0}, id="reads without watches"),
    ],
)
def test_requests_are_counted_per_object(writes, expected):
    found = count_per_object(
        REQUESTS, user=OPERATOR, window=Window(10, 20), objects=2, writes=writes
    )
    assert found == expected


def test_writes_to_leases_are_counted_apart():
    assert count_writes(REQUESTS, user=OPERATOR, window=Window(13, 21)) == (1, 2)


def test_the_last_write_is_none_of_a_lease():
    early = [each for each in REQUESTS if each.received < 20]
    assert find_last_write(early, user=OPERATOR) == 13
    assert find_last_write(early, user="nobody") == 0
