"""What `modelyard serve` can be told of spec.optimize."""

import argparse

from modelyard_api.v1alpha1 import Export, Optimize, Pruning, Quantization

#: A model of zeros says nothing.
_MAX_SPARSITY = 0.99


def add_optimize_options(parser: argparse.ArgumentParser) -> None:
    """Add the options, as spec.optimize has them."""
    group = parser.add_argument_group(
        "optimisation", "The model is measured before and after; see spec.optimize."
    )
    kinds = [kind.value for kind in Quantization]
    group.add_argument(
        "--quantization", choices=kinds, default="none", help="how weights are stored"
    )
    group.add_argument(
        "--sparsity",
        type=_read_sparsity,
        default=0.0,
        metavar="SHARE",
        help="share of the weights that becomes zero, 0 to 0.99",
    )
    group.add_argument(
        "--export",
        choices=[export.value for export in Export],
        default="none",
        help="onnx: onnxruntime computes the model",
    )
    group.add_argument(
        "--compile", action="store_true", help="torch.compile; needs a C++ compiler here"
    )
    group.add_argument(
        "--min-agreement",
        type=_read_share,
        default=Optimize().min_agreement,
        metavar="SHARE",
        help="of answers that must stay as they were, or the model is refused (%(default)s)",
    )


def read_optimize(options: argparse.Namespace) -> Optimize:
    """Return what the options ask for."""
    return Optimize(
        quantization=Quantization(options.quantization),
        pruning=Pruning(sparsity=options.sparsity),
        export=Export(options.export),
        compile=options.compile,
        min_agreement=options.min_agreement,
    )


def _read_sparsity(text: str) -> float:
    return _read_number(text, _MAX_SPARSITY)


def _read_share(text: str) -> float:
    return _read_number(text, 1.0)


def _read_number(text: str, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {most:g}")
    return number
