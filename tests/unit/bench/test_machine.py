"""What a measurement was taken on."""

import pytest

from bench.machine import find_versions, parse_cpu_model


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        pytest.param(
            "processor\t: 0\nmodel name\t: AMD EPYC 9654\n\nprocessor\t: 1\nmodel name\t: other\n",
            "AMD EPYC 9654",
            id="the first processor's",
        ),
        pytest.param("processor\t: 0\nBogoMIPS\t: 50.00\n", None, id="arm64 has none"),
    ],
)
def test_the_processors_name(cpuinfo, expected):
    assert parse_cpu_model(cpuinfo) == expected


def test_a_package_that_is_missing_says_so():
    assert find_versions(["no-such-package-here"])["no-such-package-here"] == "not installed"
