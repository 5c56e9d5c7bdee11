"""Decides what a vetted folder is: its format, its task and its architecture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Format, Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading import gguf_header
from modelyard_runtime.loading.folder import ModelFolder

TASKS = tuple(task for task in Task if task is not Task.AUTO)

# What a transformers architecture can serve, by the end of its name; the first is the default.
# A bare encoder has no name of its own for embeddings, and many are stored with their pre-training
# head, which embedding does not use; that is served only when asked for.
_TASKS_BY_SUFFIX: tuple[tuple[str, tuple[Task, ...]], ...] = (
    ("ForCausalLM", (Task.TEXT_GENERATION,)),
    ("LMHeadModel", (Task.TEXT_GENERATION,)),
    ("ForSequenceClassification", (Task.TEXT_CLASSIFICATION,)),
    ("Model", (Task.EMBEDDINGS,)),
)
_TASKS_ON_REQUEST: tuple[tuple[str, tuple[Task, ...]], ...] = (
    ("ForMaskedLM", (Task.EMBEDDINGS,)),
    ("ForPreTraining", (Task.EMBEDDINGS,)),
)


@dataclass(frozen=True, slots=True)
class Detected:
    """How a folder will be loaded. `gguf_name` is the file, for GGUF only."""

    format: Format
    task: Task
    architecture: str
    gguf_name: str = ""


def detect(folder: ModelFolder, task: Task, form: Format) -> Detected:
    """Return what to load; an explicit task or format wins where the folder allows it.

    Raises:
        CannotStart: ModelUnsupported, naming what the folder is and which tasks there are.
    """
    found = decide_format(folder, form)
    possible: tuple[Task, ...]
    if found is Format.GGUF:
        name, header = _single_gguf(folder)
        architecture, possible = header.architecture, (Task.TEXT_GENERATION,)
    else:
        name = ""
        architecture, possible = _read_architecture(folder, task)
    if task is Task.AUTO and possible:
        return Detected(found, possible[0], architecture, name)
    if task in possible:
        return Detected(found, task, architecture, name)
    raise _unsupported(architecture, possible, task)


def decide_format(folder: ModelFolder, form: Format) -> Format:
    """Return the format: as asked, else transformers if its files are complete, else GGUF."""
    present = {
        Format.TRANSFORMERS: bool(folder.weights) and "config.json" in folder.documents,
        Format.GGUF: bool(folder.ggufs),
    }
    wanted = (Format.TRANSFORMERS, Format.GGUF) if form is Format.AUTO else (form,)
    for candidate in wanted:
        if present[candidate]:
            return candidate
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The folder is not a model of format {form.value}: it holds {folder.describe()}",
        hint="Remove spec.model.format to let the runtime look, or point spec.model.uri to a "
        "folder of that format.",
    )


def _single_gguf(folder: ModelFolder) -> tuple[str, gguf_header.Header]:
    if len(folder.ggufs) > 1:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The folder holds {len(folder.ggufs)} GGUF files ({', '.join(folder.ggufs)}), and "
            "one pod serves one model",
            hint="Keep one file. A model split into parts must be merged first "
            "(llama-gguf-split --merge).",
        )
    return next(iter(folder.ggufs.items()))


def _read_architecture(folder: ModelFolder, task: Task) -> tuple[str, tuple[Task, ...]]:
    architectures = folder.config.get("architectures") or ()
    architecture = str(architectures[0]) if architectures else ""
    possible = _match(architecture, _TASKS_BY_SUFFIX)
    if isinstance(folder.documents.get("modules.json"), list):
        # sentence-transformers wrote it, so it is made for embeddings whatever the architecture.
        possible = (Task.EMBEDDINGS, *(other for other in possible if other != Task.EMBEDDINGS))
    elif task is not Task.AUTO:
        possible += _match(architecture, _TASKS_ON_REQUEST)
    return architecture or _model_type(folder.config), possible


def _match(architecture: str, table: tuple[tuple[str, tuple[Task, ...]], ...]) -> tuple[Task, ...]:
    for suffix, tasks in table:
        if architecture.endswith(suffix):
            return tasks
    return ()


def _model_type(config: Mapping[str, Any]) -> str:
    return str(config.get("model_type") or "unknown")


def _unsupported(architecture: str, possible: tuple[Task, ...], task: Task) -> CannotStart:
    served = ", ".join(word.value for word in TASKS)
    if possible:
        return CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The model is a {architecture}, which serves "
            f"{' and '.join(word.value for word in possible)}, not {task.value}",
            hint="Remove spec.model.task, or choose a model made for that task.",
        )
    return CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The model is a {architecture}, for which this runtime has no task; it serves {served}",
        hint="Choose a model whose config.json names an architecture that ends in ForCausalLM, "
        "ForSequenceClassification or (encoders) Model.",
    )
