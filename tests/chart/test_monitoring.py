"""What the chart hands to the Prometheus operator."""

import os
from pathlib import Path

import pytest
import yaml

from modelyard_api.meta import LABEL_MODEL, MANAGER
from modelyard_operator import __version__

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "modelyard"
HERE = Path(__file__).parent
ALL = ("--values", HERE / "values-everything.yaml")
ONLY = ("--show-only", "templates/monitoring/*.yaml")


def test_monitoring_renders_as_in_its_snapshot(render):
    """`UPDATE_GOLDEN=1 pytest tests/chart` writes the snapshot anew; review the diff."""
    snapshot = HERE / "snapshots" / "monitoring.yaml"
    rendered = render(*ALL, "--show-only", "templates/monitoring/podmonitor.yaml")
    if os.environ.get("UPDATE_GOLDEN"):
        snapshot.write_text(rendered)
    assert list(yaml.safe_load_all(rendered)) == list(yaml.safe_load_all(snapshot.read_text()))


def test_nothing_of_it_is_made_unasked(render):
    kinds = {document["kind"] for document in yaml.safe_load_all(render()) if document}
    assert not kinds & {"PodMonitor", "PrometheusRule"}


@pytest.mark.parametrize("asked", ["podMonitor", "rules"])
def test_each_is_made_when_asked_for(render, asked):
    rendered = render("--set", f"monitoring.{asked}.enabled=true", *ONLY)
    kinds = {document["kind"] for document in yaml.safe_load_all(rendered)}
    assert kinds == {"podMonitor": {"PodMonitor"}, "rules": {"PrometheusRule"}}[asked]


def test_the_rules_are_the_file(render):
    rendered = yaml.safe_load(
        render(*ALL, "--show-only", "templates/monitoring/prometheusrule.yaml")
    )
    assert rendered["spec"] == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    assert rendered["metadata"]["labels"]["release"] == "prometheus"


def test_the_operator_is_scraped_where_it_listens(render):
    monitor = read_monitor(render, "modelyard-operator")
    pod = yaml.safe_load(render("--show-only", "templates/operator/deployment.yaml"))["spec"][
        "template"
    ]
    ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]} <= ports
    wanted = monitor["selector"]["matchLabels"]
    assert wanted.items() <= pod["metadata"]["labels"].items()


def test_models_are_scraped_by_the_operators_labels_in_every_namespace(render):
    monitor = read_monitor(render, "modelyard-models")
    assert monitor["namespaceSelector"] == {"any": True}
    assert monitor["selector"] == {
        "matchLabels": {"app.kubernetes.io/managed-by": MANAGER},
        "matchExpressions": [{"key": LABEL_MODEL, "operator": "Exists"}],
    }


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"podMonitor": {"interval": "soon"}}, "at '/monitoring/podMonitor/interval'"),
        ({"podMonitor": {"labels": {"a": 1}}}, "at '/monitoring/podMonitor/labels/a'"),
        ({"rules": {"enable": True}}, "additional properties 'enable' not allowed"),
    ],
    ids=["an interval that is none", "a label that is no text", "an unknown key"],
)
def test_a_wrong_value_is_refused_by_name(helm, values, complaint):
    text = yaml.safe_dump({"monitoring": values})
    done = helm("template", "m", CHART, "--values", "-", text=text)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_the_operator_calls_itself_by_the_charts_version():
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__


def read_monitor(render, name):
    rendered = render(*ALL, "--show-only", "templates/monitoring/podmonitor.yaml")
    found = {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(rendered)}
    return found[name]
