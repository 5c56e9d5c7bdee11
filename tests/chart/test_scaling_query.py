"""What KEDA asks Prometheus for, and what the adapter's rule in the docs makes, by promtool."""

import re
from pathlib import Path

import pytest
import yaml

from modelyard_operator.desired.autoscaling import IN_FLIGHT_METRIC, build_query
from tests.support.objects import parse

pytestmark = pytest.mark.timeout(900)  # builds Prometheus the first time

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()
#: As the chart's PodMonitors and the Prometheus operator label a model's pods.
SERIES = {
    'modelyard_requests_running{namespace="team",model="qwen",pod="a"}': "3x9",
    'modelyard_requests_running{namespace="team",model="qwen",pod="b"}': "4x9",
    'modelyard_requests_waiting{namespace="team",model="qwen",pod="a"}': "5x9",
    'modelyard_requests_waiting{namespace="team",model="qwen",pod="b"}': "0x9",
    'modelyard_requests_running{namespace="team",model="other",pod="c"}': "9x9",
    'modelyard_requests_waiting{namespace="team",model="other",pod="c"}': "9x9",
    'modelyard_requests_running{namespace="others",model="qwen",pod="d"}': "9x9",
    'modelyard_requests_waiting{namespace="others",model="qwen",pod="d"}': "9x9",
}


@pytest.fixture
def evaluate(promtool, tmp_path):
    """Have promtool compare what an expression gives with what it should."""

    def evaluate(expression, expected, series=SERIES):
        samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
        check = {"expr": expression, "eval_time": "5m", "exp_samples": samples}
        given = [{"series": name, "values": values} for name, values in series.items()]
        case = {"tests": [{"interval": "1m", "input_series": given, "promql_expr_test": [check]}]}
        path = tmp_path / "case.yaml"
        path.write_text(yaml.safe_dump(case))
        done = promtool("test", "rules", path)
        assert done.returncode == 0, done.stdout + done.stderr

    return evaluate


@pytest.mark.parametrize("may_sleep", [False, True])
def test_the_query_sums_what_all_pods_of_one_model_have_in_flight(evaluate, may_sleep):
    evaluate(build_query(parse().metadata, may_sleep=may_sleep), {"{}": 12})


def test_a_model_without_pods_has_none_where_it_may_sleep_and_is_unknown_elsewhere(evaluate):
    metadata = parse(name="asleep").metadata
    evaluate(build_query(metadata, may_sleep=True), {"{}": 0})
    evaluate(build_query(metadata, may_sleep=False), {})


def test_the_adapters_rule_gives_what_each_pod_has_in_flight(evaluate):
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (rule,) = next(yaml.safe_load(block)["rules"] for block in blocks if "rules:" in block)
    assert rule["name"]["as"] == IN_FLIGHT_METRIC
    assert rule["seriesQuery"].startswith("modelyard_requests_running{")
    query = rule["metricsQuery"]
    for template, value in {
        "<<.LabelMatchers>>": 'namespace="team",pod=~"a|b"',
        "<<.GroupBy>>": "pod",
    }.items():
        assert template in query
        query = query.replace(template, value)
    evaluate(query, {'{pod="a"}': 8, '{pod="b"}': 4})
