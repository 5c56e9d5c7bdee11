"""A scripted engine of the task `predict`: tensors of every datatype go in, and come back."""

from collections.abc import Sequence

import numpy as np

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import DATATYPES, Signature, TensorSignature
from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.tasks.predict import Prediction, TensorInput
from tests.support.fake_engine import FakeEngine, build_info

#: `fp32` comes back as `fp32_back`, and so on; `total` is the sum of `fp32` along its rows.
ECHOED = tuple(DATATYPES)
SIGNATURE = Signature(
    inputs=tuple(TensorSignature(word.lower(), word, (-1, 2)) for word in ECHOED),
    outputs=(
        *(TensorSignature(f"{word.lower()}_back", word, (-1, 2)) for word in ECHOED),
        TensorSignature("total", "FP32", (-1,)),
    ),
)


def build_arrays(seed: int = 0, rows: int = 3) -> dict[str, np.ndarray]:
    """Return an array for each input; those of texts hold bytes, as clients have them."""
    random = np.random.default_rng(seed)
    arrays = {}
    for word, kind in DATATYPES.items():
        if word == "BYTES":
            texts = [f"ä{seed}-{i}".encode() for i in range(rows * 2)]
            arrays["bytes"] = np.array(texts, dtype=object).reshape(rows, 2)
        elif word == "BOOL":
            arrays["bool"] = random.integers(0, 2, (rows, 2)).astype(bool)
        elif word.startswith("FP"):
            arrays[word.lower()] = random.standard_normal((rows, 2)).astype(kind)
        else:
            bounds = np.iinfo(kind)
            arrays[word.lower()] = random.integers(
                bounds.min, bounds.max, (rows, 2), dtype=kind, endpoint=True
            )
    return arrays


class FakeTensorEngine(FakeEngine):
    """Returns what it is given; `fp32` also in sum."""

    def __init__(self, *, signature: Signature = SIGNATURE, **changes: object) -> None:
        super().__init__(build_info(Task.PREDICT), signature=signature, **changes)  # type: ignore[arg-type]

    def sample(self) -> TensorInput:
        return TensorInput(
            {
                one.name: np.full((1, 2), "a" if one.datatype == "BYTES" else 0, kind)
                for one in self.signature.inputs
                if (kind := DATATYPES[one.datatype])
            }
        )

    async def run(self, items: Sequence[TensorInput]) -> list[Prediction]:
        self.enter(len(items))
        try:
            await self.pass_gate()
        finally:
            self.leave(len(items))
        return [self._compute(item) for item in items]

    def _compute(self, item: TensorInput) -> Prediction:
        if not isinstance(item.values, dict) or "fp32" not in item.values:
            raise InvalidRequest("This engine takes tensors by name, fp32 one.", param=item.field)
        if not all(isinstance(array, np.ndarray) for array in item.values.values()):
            raise InvalidRequest("This engine takes arrays.", param=item.field)
        back = {f"{name}_back": array for name, array in item.values.items()}
        return Prediction({**back, "total": item.values["fp32"].sum(axis=1)})
