"""What `spec.optimize` does to the example models: `make bench-optimize`.

Each model is served by `modelyard serve` once for each way to optimise it, whatever it costs in
accuracy, and tells what it measured of itself before and after, on its own evaluation.json.
bench/README.md says what each figure means.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import running
from bench.figures import Figures
from bench.model_processes import serving
from examples.demo import Example, make_model
from modelyard_api.v1alpha1 import Measured
from modelyard_local.columns import lay_out
from modelyard_local.errors import LocalError
from modelyard_local.progress import to_stderr

WAYS: Mapping[str, tuple[str, ...]] = {
    "pruning 0.3": ("--sparsity", "0.3"),
    "pruning 0.5": ("--sparsity", "0.5"),
    "dynamic-int8": ("--quantization", "dynamic-int8"),
    "int8": ("--quantization", "int8"),
    "int4": ("--quantization", "int4"),
    "pruning 0.3, dynamic-int8": ("--sparsity", "0.3", "--quantization", "dynamic-int8"),
    "onnx": ("--export", "onnx"),
}
MODELS = ("sentiment", "fill-mask", "smollm2")
#: They write more than one word at a time, which no export to ONNX does here.
WITHOUT_EXPORT = frozenset({"smollm2"})
MIB = 1024**2
HEADINGS = ("model, way", "size, MiB", "ms", "right, %", "as before, %")


def measure_model(name: str, folder: Path) -> dict[str, Figures]:
    """Serve the model in each way; return what it tells."""
    example = Example(name, lambda _url: None)
    model = folder / name
    to_stderr(f"making {name}")
    make_model(example, model)
    found: dict[str, Figures] = {}
    for way, options in WAYS.items():
        if way == "onnx" and name in WITHOUT_EXPORT:
            continue
        to_stderr(f"{name}: {way}")
        with serving(model, folder / f"{name}.log", *options, "--min-agreement", "0") as server:
            told = server.read_report().optimization
        if told is None:
            raise LocalError(f"{name} does not tell what {way} did to it")
        found[f"{name}, {way}"] = {
            "agreement_percent": round(100 * told.agreement, 1),
            **describe("before", told.before),
            **describe("after", told.after),
        }
    return found


def describe(when: str, measured: Measured) -> Figures:
    """Return the figures of the model at one time."""
    accuracy: dict[str, float] = {}
    if measured.accuracy is not None:
        accuracy[f"accuracy_percent_{when}"] = round(100 * measured.accuracy, 1)
    return {
        f"size_mib_{when}": round(measured.size_bytes / MIB, 1),
        f"milliseconds_{when}": measured.milliseconds,
        **accuracy,
    }


def build_table(figures: Figures) -> str:
    """Return a row for each model and way."""
    rows: list[tuple[str, ...]] = [HEADINGS]
    for name, found in figures.items():
        if not isinstance(found, Mapping):
            continue
        pairs = [
            f"{found[f'{what}_before']} → {found[f'{what}_after']}"
            if f"{what}_before" in found
            else ""
            for what in ("size_mib", "milliseconds", "accuracy_percent")
        ]
        rows.append((name, *pairs, str(found["agreement_percent"])))
    return lay_out(rows)


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.optimizing", description=__doc__)
    parser.add_argument(
        "--model", action="append", choices=MODELS, help="this one only; may be repeated"
    )
    options = parser.parse_args()

    def measure() -> Figures:
        found: dict[str, Figures] = {}
        with tempfile.TemporaryDirectory() as folder:
            for name in options.model or MODELS:
                found.update(measure_model(name, Path(folder)))
        return found

    running.run(
        "optimize",
        "bench.optimizing",
        options,
        measure,
        packages=("torch", "transformers", "onnxruntime", "onnx", "onnxscript"),
        settings={},
        show=build_table,
    )


if __name__ == "__main__":
    main()
