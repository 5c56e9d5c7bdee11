"""docs/operations.md explains exactly the metrics and alerts that exist."""

import re
from pathlib import Path

import yaml

from modelyard_api.meta import Metric
from modelyard_operator.metrics import Metrics

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "operations.md").read_text()
RULES = yaml.safe_load((ROOT / "charts" / "modelyard" / "files" / "alerts.yaml").read_text())


def read_section(heading):
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def first_column(heading):
    return re.findall(r"^\| `(\w+)` \|", read_section(heading), flags=re.MULTILINE)


def test_every_metric_of_the_operator_has_a_row():
    declared = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in Metrics().registry.collect()
        if family.name.startswith("modelyard_operator_")
    }
    rows = [f"modelyard_operator_{name}" for name in first_column("Metrics of the operator")]
    assert sorted(rows) == sorted(declared)


def test_every_metric_of_a_model_that_others_read_has_a_row():
    assert sorted(first_column("Metrics of a model")) == sorted(Metric)


def test_every_alert_has_a_section_that_says_its_severity():
    sections = re.findall(r"^### (\w+)\n\n(\w+)\.", read_section("Alerts"), flags=re.MULTILINE)
    alerts = [
        (rule["alert"], rule["labels"]["severity"].capitalize())
        for group in RULES["groups"]
        for rule in group["rules"]
    ]
    assert sections == alerts
