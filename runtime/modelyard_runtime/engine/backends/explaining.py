"""A classifier whose answers can be explained: rows of both kinds wait in one queue."""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.engine.backends.gradients import Room, read_spare_bytes
from modelyard_runtime.engine.backends.integrated_gradients import PathRow, Slope
from modelyard_runtime.engine.batch import Sized
from modelyard_runtime.engine.batch_engine import Backend
from modelyard_runtime.errors import CannotStart, NotSupported
from modelyard_runtime.loading.exported import ExportedModel
from modelyard_runtime.loading.loaded import Loaded
from modelyard_runtime.loading.registry import import_function
from modelyard_runtime.tasks.attribution import ToExplain

_log = logging.getLogger(__name__)

# What takes gradients, by task; `Gradients(loaded, room)`.
_GRADIENTS = {
    Task.TEXT_CLASSIFICATION: "modelyard_runtime.engine.backends.text_gradients:TextGradients",
    Task.IMAGE_CLASSIFICATION: (
        "modelyard_runtime.engine.backends.picture_gradients:PictureGradients"
    ),
}

_NO_CLASSIFIER = "Only classifiers of texts and pictures can be explained, in format transformers."
_EXPORTED = (
    "This model cannot be explained, since onnxruntime takes no gradients: remove "
    "spec.optimize.export to have its answers explained."
)


class Gradients(Protocol):
    """The work around a model's gradients, on the threads that a Backend's methods have."""

    def prepare(self, asked: ToExplain) -> list[PathRow]:
        """Return the points at which gradients are taken."""
        ...

    def compute(self, rows: Sequence[PathRow]) -> list[Slope]:
        """Return the slope at each of them."""
        ...

    def finish(self, asked: ToExplain, rows: Sequence[PathRow], slopes: Sequence[Slope]) -> Any:
        """Return the explanation."""
        ...


class Explaining:
    """A classifier and its gradients, as one backend."""

    def __init__(self, classifier: Any, gradients: Gradients) -> None:
        self._classifier: Backend = classifier
        self._gradients = gradients
        self.context_tokens: int = classifier.context_tokens
        #: Of the classifier's rows.
        self.row_bytes: int = getattr(classifier, "row_bytes", 0)
        self.sample = classifier.sample
        self.require_health = classifier.require_health

    def prepare(self, item: Any) -> Sequence[Sized]:
        """Return an item's rows; those of an explanation are points of its path."""
        if isinstance(item, ToExplain):
            return self._gradients.prepare(item)
        return self._classifier.prepare(item)

    def count_held(self, rows: Sequence[Any]) -> int:
        """Return how many rows take memory of their own: the points of a path share one."""
        return len({id(row.row if isinstance(row, PathRow) else row) for row in rows})

    def compute(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the scores of plain rows, and the slopes at points of paths."""
        outputs: list[Any] = [None] * len(rows)
        plain = [i for i, row in enumerate(rows) if not isinstance(row, PathRow)]
        points = [i for i, row in enumerate(rows) if isinstance(row, PathRow)]
        for part, compute in (
            (plain, self._classifier.compute),
            (points, self._gradients.compute),
        ):
            if part:
                made = compute([rows[i] for i in part])
                for i, output in zip(part, made, strict=True):
                    outputs[i] = output
        return outputs

    def finish(self, item: Any, rows: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Return the item's result."""
        if isinstance(item, ToExplain):
            return self._gradients.finish(item, rows, outputs)
        return self._classifier.finish(item, rows, outputs)


def add_explanations(classifier: Any, loaded: Any, *, max_tokens: int) -> tuple[Any, str]:
    """Return the backend, able to explain its answers, or as it was with the reason why not.

    Called on the model's thread; `max_tokens` is what a batch may have.
    """
    if not isinstance(loaded, Loaded) or loaded.wanted.detected.task not in _GRADIENTS:
        return classifier, _NO_CLASSIFIER
    if isinstance(loaded.model, ExportedModel):
        return classifier, _EXPORTED
    path = _GRADIENTS[loaded.wanted.detected.task]
    try:
        gradients = import_function(path)(loaded, Room(max_tokens, read_spare_bytes(loaded)))
    except (NotSupported, CannotStart) as fault:
        return classifier, fault.message
    except Exception as error:  # noqa: BLE001 - whatever it is, the model is served all the same
        _log.warning("not_explainable", exc_info=error)
        return classifier, (
            f"Taking this model's gradient, which explains its answers, fails "
            f"({type(error).__name__}); the log of its start has the details."
        )
    return Explaining(classifier, gradients), ""
