"""A real Prometheus scrapes the operator and evaluates the alerts."""

import re
import time
from pathlib import Path

import pytest
import yaml

from tests.support.prometheus import Prometheus

pytestmark = pytest.mark.timeout(900)  # builds Prometheus the first time

RULES = Path(__file__).parents[3] / "charts" / "modelyard" / "files" / "alerts.yaml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
NAMES = set(re.findall(r"modelyard_operator_\w+", RULES.read_text()))


@pytest.fixture(scope="module")
def prometheus(operator, tmp_path_factory):
    process = Prometheus(
        tmp_path_factory.mktemp("prometheus"),
        target=operator.address,
        labels={"namespace": "system", "pod": "operator-a"},
        rules=RULES,
    )
    yield process.start()
    process.stop()


@pytest.fixture
def scraped(prometheus, team):
    """Prometheus, after it has scraped an operator that has served a model."""
    team.apply()
    team.wait_ready()
    is_new = f'max(timestamp(up{{pod="operator-a"}} == 1)) > {time.time()}'
    prometheus.wait(lambda: prometheus.query(is_new), "the operator has been scraped")
    return prometheus


def find_alerts(prometheus):
    """Alerts that fire, or would if it stayed so."""
    return {labels["alertname"] for labels, _ in prometheus.query("ALERTS")}


def test_the_answer_is_one_that_prometheus_reads(scraped):
    (target,) = scraped.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def test_every_metric_that_an_alert_reads_is_there(scraped):
    there = {labels["__name__"] for labels, _ in scraped.query('{__name__=~"modelyard_.*"}')}
    assert there >= NAMES


def test_every_rule_can_be_evaluated(scraped):
    def evaluated():
        groups = scraped.ask("rules")["groups"]
        health = {rule["name"]: rule["health"] for each in groups for rule in each["rules"]}
        return health if "unknown" not in health.values() else None

    names = [rule["alert"] for group in GROUPS for rule in group["rules"]]
    found = scraped.wait(evaluated, "every rule has been evaluated")
    assert found == dict.fromkeys(names, "ok")


def test_the_alert_of_a_dead_operator_waits_while_it_lives(scraped, operator):
    def is_pending():
        return "ModelyardOperatorDown" in find_alerts(scraped)

    scraped.wait(lambda: not is_pending(), "the operator counts as alive")
    operator.stop()
    scraped.wait(is_pending, "its end has been noticed")
    operator.start()
    scraped.wait(lambda: not is_pending(), "its return has been noticed")


def test_an_operator_at_work_leads_and_hears(scraped):
    unwanted = {
        "ModelyardOperatorDown",
        "ModelyardNoLeader",
        "ModelyardSeveralLeaders",
        "ModelyardReconcileHangs",
        "ModelyardWatchSilent",
        "ModelyardRightsMissing",
    }
    scraped.wait(lambda: not find_alerts(scraped) & unwanted, "no alert on the operator")
    ages = {
        labels["resource"]: age
        for labels, age in scraped.query("modelyard_operator_watch_age_seconds")
    }
    assert {"deployments", "services", "pods", "modeldeployments"} <= ages.keys()
    assert scraped.query('modelyard_operator_modeldeployments_by_phase{phase="Ready"} >= 1')


def test_requests_are_counted_by_verb_resource_and_code(scraped):
    patched = (
        'modelyard_operator_api_requests_total{verb="patch",resource="modeldeployments/status"}'
    )
    # Others are there too where a model went, with its namespace, while it was looked at.
    assert "200" in {labels["code"] for labels, _ in scraped.query(patched)}
    watched = scraped.query('modelyard_operator_api_requests_total{verb="watch",code="200"}')
    assert {"deployments", "services", "pods"} <= {labels["resource"] for labels, _ in watched}
