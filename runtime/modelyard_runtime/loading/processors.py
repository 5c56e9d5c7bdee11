"""Loads what turns pictures and sounds into a model's input, as the folder describes it."""

from typing import Any

from transformers import AutoFeatureExtractor, AutoImageProcessor

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.registry import Wanted

# By Pillow: torchvision, which transformers would rather use, is not part of this runtime.
_PICTURES: tuple[Any, dict[str, Any]] = (AutoImageProcessor, {"backend": "pil"})
PROCESSORS: dict[Task, tuple[Any, dict[str, Any]]] = {
    Task.IMAGE_CLASSIFICATION: _PICTURES,
    Task.OBJECT_DETECTION: _PICTURES,
    Task.AUTOMATIC_SPEECH_RECOGNITION: (AutoFeatureExtractor, {}),
}

_DOCUMENTS = ("preprocessor_config.json", "processor_config.json")


def load_processor(wanted: Wanted) -> Any:
    """Load the processor of a task in PROCESSORS.

    Raises:
        CannotStart: ModelNotFound, the folder does not say how inputs are prepared.
    """
    folder = wanted.folder
    if not any(name in folder.documents for name in _DOCUMENTS):
        raise CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"The folder has no {_DOCUMENTS[0]}, which says how inputs of "
            f"{wanted.detected.task.value} are prepared; it holds {folder.describe()}",
            hint="Copy the whole model folder. Where you trained the model, save its processor "
            "beside it: processor.save_pretrained(folder).",
        )
    factory, settings = PROCESSORS[wanted.detected.task]
    return factory.from_pretrained(
        str(folder.path), local_files_only=True, trust_remote_code=False, **settings
    )
