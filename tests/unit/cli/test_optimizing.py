"""What `modelyard serve` takes of spec.optimize."""

import argparse

import pytest

from modelyard_api.v1alpha1 import Export, Optimize, Pruning, Quantization
from modelyard_cli.optimizing import add_optimize_options, read_optimize


def parse(*given):
    parser = argparse.ArgumentParser(prog="serve", exit_on_error=False)
    add_optimize_options(parser)
    return read_optimize(parser.parse_args(given))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), Optimize()),
        (("--quantization", "int4"), Optimize(quantization=Quantization.INT4)),
        (
            ("--sparsity", "0.3", "--min-agreement", "1"),
            Optimize(pruning=Pruning(sparsity=0.3), min_agreement=1.0),
        ),
        (("--export", "onnx"), Optimize(export=Export.ONNX)),
        (("--compile",), Optimize(compile=True)),
    ],
)
def test_options_are_the_fields_of_spec_optimize(given, expected):
    assert parse(*given) == expected


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (("--sparsity", "1"), "argument --sparsity: '1' is no number from 0 to 0.99"),
        (("--sparsity", "half"), "argument --sparsity: 'half' is no number from 0 to 0.99"),
        (("--sparsity", "nan"), "argument --sparsity: 'nan' is no number from 0 to 0.99"),
        (("--min-agreement", "-1"), "argument --min-agreement: '-1' is no number from 0 to 1"),
    ],
)
def test_what_is_no_share_is_refused(given, complaint):
    with pytest.raises(argparse.ArgumentError) as caught:
        parse(*given)
    assert str(caught.value) == complaint
