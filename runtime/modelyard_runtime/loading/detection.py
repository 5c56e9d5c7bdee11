"""Decides what a vetted folder is: its format, its task and its architecture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import Format, Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading import gguf_header
from modelyard_runtime.loading.folder import ModelFolder
from modelyard_runtime.loading.model_files import SEARCHED, choose_file, find_formats

TASKS = tuple(task for task in Task if task is not Task.AUTO)

# What a transformers architecture can serve, by the end of its name; the first is the default.
# A bare encoder has no name of its own for embeddings, and many are stored with the head of their
# pre-training, which embedding does not use; that is served only when asked for.
_TASKS_BY_SUFFIX: tuple[tuple[str, tuple[Task, ...]], ...] = (
    ("WhisperForConditionalGeneration", (Task.AUTOMATIC_SPEECH_RECOGNITION,)),
    ("MarianMTModel", (Task.TRANSLATION,)),
    ("M2M100ForConditionalGeneration", (Task.TRANSLATION,)),
    ("MBartForConditionalGeneration", (Task.TRANSLATION, Task.SUMMARIZATION)),
    ("BartForConditionalGeneration", (Task.SUMMARIZATION, Task.TRANSLATION)),
    ("T5ForConditionalGeneration", (Task.SUMMARIZATION, Task.TRANSLATION)),
    ("PegasusForConditionalGeneration", (Task.SUMMARIZATION,)),
    ("ForCausalLM", (Task.TEXT_GENERATION,)),
    ("LMHeadModel", (Task.TEXT_GENERATION,)),
    ("ForMaskedLM", (Task.FILL_MASK,)),
    ("ForSequenceClassification", (Task.TEXT_CLASSIFICATION,)),
    ("ForTokenClassification", (Task.TOKEN_CLASSIFICATION,)),
    ("ForQuestionAnswering", (Task.QUESTION_ANSWERING,)),
    ("ForImageClassification", (Task.IMAGE_CLASSIFICATION,)),
    ("ForObjectDetection", (Task.OBJECT_DETECTION,)),
    ("ForCTC", (Task.AUTOMATIC_SPEECH_RECOGNITION,)),
    ("Model", (Task.EMBEDDINGS,)),
)
_TASKS_ON_REQUEST: tuple[tuple[str, tuple[Task, ...]], ...] = (
    ("ForMaskedLM", (Task.EMBEDDINGS,)),
    ("ForPreTraining", (Task.EMBEDDINGS,)),
    ("ForSequenceClassification", (Task.ZERO_SHOT_CLASSIFICATION, Task.RERANK)),
)
# What a class that the model brings can serve: with weights alone tensors, with a method `predict`
# also what this runtime can put to it.
_CLASS_TASKS = (Task.PREDICT, Task.TEXT_CLASSIFICATION, Task.TRANSLATION, Task.SUMMARIZATION)


@dataclass(frozen=True, slots=True)
class Detected:
    """How a folder will be loaded. `file_name` is the model, for formats that are one file."""

    format: Format
    task: Task
    architecture: str
    file_name: str = ""
    entrypoint: str = ""


def detect(folder: ModelFolder, task: Task, form: Format, entrypoint: str = "") -> Detected:
    """Return what to load; an explicit task or format wins where the folder allows it.

    Raises:
        CannotStart: ModelUnsupported, naming what the folder is and which tasks there are.
    """
    found = decide_format(folder, form, entrypoint)
    possible: tuple[Task, ...]
    if found in {*SEARCHED, Format.STATE_DICT}:
        name = choose_file(folder, found)
        architecture = entrypoint or f"file of the format {found.value}"
        possible = _CLASS_TASKS if entrypoint else (Task.PREDICT,)
    elif found is Format.GGUF:
        name, header = _single_gguf(folder)
        architecture, possible = header.architecture, (Task.TEXT_GENERATION,)
    else:
        name = ""
        architecture, possible = _read_architecture(folder, task)
    if task is Task.AUTO and possible:
        return Detected(found, possible[0], architecture, name, entrypoint)
    if task in possible:
        return Detected(found, task, architecture, name, entrypoint)
    raise _unsupported(architecture, possible, task)


def decide_format(folder: ModelFolder, form: Format, entrypoint: str = "") -> Format:
    """Return the format: as asked, else that of the entrypoint, else what the folder holds.

    A folder may hold a transformers model and exports of it: the first of transformers, GGUF and
    the others that is complete.
    """
    _check_entrypoint(form, entrypoint)
    if entrypoint:
        return Format.STATE_DICT
    if form in SEARCHED:
        return form
    present = {
        Format.TRANSFORMERS: bool(folder.weights) and "config.json" in folder.documents,
        Format.GGUF: bool(folder.ggufs),
    }
    wanted = (Format.TRANSFORMERS, Format.GGUF) if form is Format.AUTO else (form,)
    for candidate in wanted:
        if present[candidate]:
            return candidate
    others = find_formats(folder) if form is Format.AUTO else ()
    if len(others) == 1:
        return others[0]
    if others:
        raise CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The folder holds models of {len(others)} formats ("
            f"{', '.join(other.value for other in others)}), and one pod serves one",
            hint="Say in spec.model.format which one to serve.",
        )
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The folder is not a model of format {form.value}: it holds {folder.describe()}",
        hint="Remove spec.model.format to let the runtime look, or point spec.model.uri to a "
        "folder of that format.",
    )


def _check_entrypoint(form: Format, entrypoint: str) -> None:
    if entrypoint and form not in {Format.AUTO, Format.STATE_DICT}:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.model.entrypoint {entrypoint!r} is for the format state-dict, not {form.value}",
            hint="Remove spec.model.entrypoint, or set spec.model.format to state-dict.",
        )
    if form is Format.STATE_DICT and not entrypoint:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            "The format state-dict holds weights only, and spec.model.entrypoint does not say "
            "which class they are for",
            hint="Set spec.model.entrypoint to module:Class, of a module in the model folder, and "
            "spec.model.allowCode to true.",
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
    stated = folder.config.get("architectures")
    architectures = stated if isinstance(stated, list) else []
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
        hint="Choose a model whose config.json names an architecture that ends in "
        f"{', '.join(suffix for suffix, _ in _TASKS_BY_SUFFIX)}.",
    )
