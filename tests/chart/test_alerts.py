"""The alerts, evaluated by promtool over series of what may happen."""

from pathlib import Path

import pytest
import yaml

from tests.support.promtool import build_case

pytestmark = pytest.mark.timeout(900)  # builds Prometheus the first time

RULES = Path(__file__).parents[2] / "charts" / "modelyard" / "files" / "alerts.yaml"
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}

OPERATOR = 'instance="a:8080",namespace="system",pod="operator-a"'
OTHER = 'instance="b:8080",namespace="system",pod="operator-b"'
HERE = {"instance": "a:8080", "namespace": "system", "pod": "operator-a"}
POD = {"namespace": "system", "pod": "operator-a"}
RELEASE = {"namespace": "system"}
MODEL = {"namespace": "team", "model": "qwen"}


def operator(name, extra="", who=OPERATOR):
    return f"modelyard_operator_{name}{{{who}{extra}}}"


def api(code, verb="patch", resource="deployments"):
    labels = f',verb="{verb}",resource="{resource}",code="{code}"'
    return operator("api_requests_total", labels)


def answers(code, pod="qwen-1"):
    return f'modelyard_requests_total{{namespace="team",model="qwen",pod="{pod}",code="{code}"}}'


FAULTS = operator("reconciles_total", ',outcome="fault"')
STARTED = f"process_start_time_seconds{{{OPERATOR}}}"
BUILD = operator("build_info", ',version="1"')
FAILED = operator("modeldeployments_by_phase", ',phase="Failed"')

# One value a minute: 0x10 is eleven zeros, 0+5x10 grows by five, _x10 is eleven scrapes missed.
FIRES = [
    pytest.param(
        "ModelyardOperatorDown", {BUILD: "1x10 stale"}, "17m", [{}], id="no operator is scraped"
    ),
    pytest.param(
        "ModelyardNoLeader",
        {operator("is_leader"): "0x10", operator("is_leader", who=OTHER): "1 1 0x8"},
        "5m",
        [RELEASE],
        id="the last leader has gone and nobody follows",
    ),
    pytest.param(
        "ModelyardSeveralLeaders",
        {operator("is_leader"): "1x10", operator("is_leader", who=OTHER): "0 0 1x8"},
        "4m",
        [RELEASE],
        id="a second one leads",
    ),
    pytest.param(
        "ModelyardOperatorRestarts",
        {BUILD: "1x30", STARTED: "100x3 200x3 300x3 400x3 500x14"},
        "25m",
        [HERE],
        id="the process starts again and again",
    ),
    pytest.param("ModelyardReconcileFaults", {FAULTS: "0x5 1x5"}, "7m", [POD], id="a first fault"),
    pytest.param(
        "ModelyardReconcileHangs",
        {operator("longest_running_seconds"): "0+60x5"},
        "4m",
        [HERE],
        id="a reconcile runs beyond its limit",
    ),
    pytest.param(
        "ModelyardQueueStuck",
        {operator("oldest_waiting_seconds"): "0+60x15", operator("is_leader"): "1x15"},
        "12m",
        [HERE],
        id="a key waits and waits",
    ),
    pytest.param(
        "ModelyardApiErrors",
        {api(200): "0+80x20", api(503): "0+20x20"},
        "15m",
        [POD],
        id="a fifth of the requests meets server errors",
    ),
    pytest.param(
        "ModelyardApiErrors", {api("none"): "0+2x20"}, "15m", [POD], id="nothing answers any more"
    ),
    pytest.param(
        "ModelyardRightsMissing",
        {api(403, "watch", "pods"): "0+1x25"},
        "15m",
        [{**POD, "verb": "watch", "resource": "pods"}],
        id="a watch is forbidden",
    ),
    pytest.param(
        "ModelyardWatchSilent",
        {operator("watch_age_seconds", ',resource="pods"'): "0+60x15"},
        "12m",
        [{**HERE, "resource": "pods"}],
        id="a watch is never heard again",
    ),
    pytest.param(
        "ModelyardAuditLag",
        {operator("audit_lag"): "0 0 3 3 1 1 2 2 1"},
        "8m",
        [HERE],
        id="every comparison finds something missing",
    ),
    pytest.param(
        "ModelyardEventsDropped", {operator("events_dropped"): "0x5 7x5"}, "8m", [POD], id="dropped"
    ),
    pytest.param(
        "ModelyardModelsFailed",
        {FAILED: "0 2x20", operator("is_leader"): "1x20"},
        "17m",
        [HERE | {"phase": "Failed"}],
        id="models stay failed",
    ),
    pytest.param(
        "ModelyardModelErrors",
        {answers(200): "0+90x20", answers(500): "0+5x20", answers(500, "qwen-2"): "0+5x20"},
        "15m",
        [MODEL],
        id="a tenth of a model's answers are its errors",
    ),
    pytest.param(
        "ModelyardModelFull",
        {answers(200): "0+50x30", answers(429): "0+50x30"},
        "25m",
        [MODEL],
        id="half of the requests are turned away",
    ),
]

STAYS_QUIET = [
    pytest.param(
        "ModelyardOperatorDown",
        {BUILD: "1x5 stale stale 1x5"},
        "7m",
        id="a pod was replaced in two minutes",
    ),
    pytest.param(
        "ModelyardNoLeader",
        {operator("is_leader"): "1 1 0 0 0", operator("is_leader", who=OTHER): "0 0 0 1 1"},
        "2m",
        id="another one leads after a scrape",
    ),
    pytest.param(
        "ModelyardSeveralLeaders",
        {operator("is_leader"): "1 1 0 0", operator("is_leader", who=OTHER): "0 1 1 1"},
        "1m",
        id="one scrape sees the old and the new leader",
    ),
    pytest.param(
        "ModelyardOperatorRestarts",
        {BUILD: "1x30", STARTED: "100x3 200x27"},
        "25m",
        id="an upgrade restarts it once",
    ),
    pytest.param(
        "ModelyardOperatorRestarts",
        {STARTED: "100x3 200x3 300x3 400x3 500x14"},
        "25m",
        id="somebody else's process restarts",
    ),
    pytest.param("ModelyardReconcileFaults", {FAULTS: "3x30"}, "20m", id="faults of long ago"),
    pytest.param(
        "ModelyardReconcileHangs",
        {operator("longest_running_seconds"): "0 60 0 60 0 60"},
        "5m",
        id="reconciles that take their minute",
    ),
    pytest.param(
        "ModelyardQueueStuck",
        {operator("oldest_waiting_seconds"): "0+60x60", operator("is_leader"): "0x60"},
        "50m",
        id="keys wait at a standby",
    ),
    pytest.param(
        "ModelyardQueueStuck",
        {
            operator("oldest_waiting_seconds"): "0+60x30 0x20",
            operator("is_leader"): "0x28 1x20",
        },
        "30m",
        id="a standby takes over and works off what has waited",
    ),
    pytest.param(
        "ModelyardApiErrors",
        {api(200): "0+80x20", api(409): "0+20x20", api(404, "get"): "0+20x20"},
        "15m",
        id="conflicts and missing objects are everyday life",
    ),
    pytest.param(
        "ModelyardApiErrors",
        {api(200): "0+1x30", api(500): "0x5 4x20"},
        "9m",
        id="a burst of errors",
    ),
    pytest.param(
        "ModelyardRightsMissing",
        {api(403, "create", "deployments"): "0+1x25"},
        "20m",
        id="a quota forbids a child",
    ),
    pytest.param(
        "ModelyardWatchSilent",
        {operator("watch_age_seconds", ',resource="pods"'): "0 60 0 60 0 60 0 60 0 60 0"},
        "10m",
        id="a watch with a bookmark a minute",
    ),
    pytest.param(
        "ModelyardAuditLag",
        {operator("audit_lag"): "0 3 3 0 0 0 0 0 0 0"},
        "2m",
        id="one comparison finds something",
    ),
    pytest.param("ModelyardEventsDropped", {operator("events_dropped"): "7x20"}, "20m", id="old"),
    pytest.param(
        "ModelyardModelsFailed",
        {FAILED: "2x20", operator("is_leader"): "0x20"},
        "18m",
        id="a standby remembers failed models",
    ),
    pytest.param(
        "ModelyardModelErrors",
        {answers(200): "0+90x20", answers(400): "0+90x20", answers(500): "0+2x20"},
        "15m",
        id="bad requests are no errors of the model",
    ),
    pytest.param(
        "ModelyardModelErrors", {answers(200): "5x20", answers(500): "5x20"}, "15m", id="no traffic"
    ),
    pytest.param(
        "ModelyardModelFull",
        {answers(200): "0+50x10 1000+50x20", answers(429): "0+50x5 250x25"},
        "8m",
        id="a rush of some minutes",
    ),
]


@pytest.fixture
def evaluate(promtool, tmp_path):
    """Have promtool compare what fires after a while with what should."""

    def evaluate(alert, series, at, firing):
        state = {"__name__": "ALERTS", "alertname": alert, "alertstate": "firing"}
        case = build_case(
            RULES,
            series,
            at=at,
            expression=f'ALERTS{{alertname="{alert}",alertstate="firing"}}',
            expected=[state | ALERTS[alert]["labels"] | more for more in firing],
        )
        path = tmp_path / "case.yaml"
        path.write_text(yaml.safe_dump(case))
        done = promtool("test", "rules", path)
        assert done.returncode == 0, done.stdout + done.stderr

    return evaluate


def test_the_rules_are_valid(promtool):
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("alert", "series", "at", "firing"), FIRES)
def test_an_alert_fires(evaluate, alert, series, at, firing):
    evaluate(alert, series, at, firing)


@pytest.mark.parametrize(("alert", "series", "at"), STAYS_QUIET)
def test_an_alert_stays_quiet(evaluate, alert, series, at):
    evaluate(alert, series, at, [])


@pytest.mark.parametrize("cases", [FIRES, STAYS_QUIET], ids=["fires", "stays quiet"])
def test_every_alert_is_tried(cases):
    assert {case.values[0] for case in cases} == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_is_wrong_what_it_means_and_what_to_do(alert):
    rule = ALERTS[alert]
    assert set(rule["annotations"]) == {"summary", "description", "action", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{alert.lower()}"
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
