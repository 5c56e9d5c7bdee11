"""Cases that promtool tries rules on."""


def build_case(rules, series, *, at, expression, expected):
    """Series with a value a minute, and what an expression then gives: label sets, each with 1."""
    samples = [{"labels": write_series(labels), "value": 1} for labels in expected]
    return {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": v} for name, v in series.items()],
                "promql_expr_test": [{"expr": expression, "eval_time": at, "exp_samples": samples}],
            }
        ],
    }


def write_series(labels):
    """A series as PromQL writes it."""
    return f"{{{','.join(f'{key}={value!r}' for key, value in labels.items())}}}"
