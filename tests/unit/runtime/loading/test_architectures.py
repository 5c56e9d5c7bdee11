"""Which tasks an architecture of transformers serves: by itself, and when asked for."""

import json
import struct

import pytest

from modelyard_api.v1alpha1 import Format, Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.detection import detect
from modelyard_runtime.loading.vetting import vet_folder

_HEADER = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()


def detect_task(folder, architecture, asked=Task.AUTO):
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(_HEADER)) + _HEADER + bytes(4))
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    return detect(vet_folder(folder), asked, Format.AUTO).task


@pytest.mark.parametrize(
    ("architecture", "tasks"),
    [
        ("BertForTokenClassification", ["token-classification"]),
        ("RobertaForQuestionAnswering", ["question-answering"]),
        (
            "BertForSequenceClassification",
            ["text-classification", "zero-shot-classification", "rerank"],
        ),
        ("MarianMTModel", ["translation"]),
        ("M2M100ForConditionalGeneration", ["translation"]),
        ("MBartForConditionalGeneration", ["translation", "summarization"]),
        ("BartForConditionalGeneration", ["summarization", "translation"]),
        ("MT5ForConditionalGeneration", ["summarization", "translation"]),
        ("PegasusForConditionalGeneration", ["summarization"]),
        ("BertModel", ["embeddings"]),
    ],
)
def test_an_architecture_serves_its_tasks(architecture, tasks, tmp_path):
    assert detect_task(tmp_path, architecture) == tasks[0]
    assert [detect_task(tmp_path, architecture, Task(task)) for task in tasks] == tasks


@pytest.mark.parametrize(
    ("architecture", "task", "message"),
    [
        ("MarianMTModel", "summarization", "a MarianMTModel, which serves translation, not summ"),
        ("BertForTokenClassification", "rerank", "which serves token-classification, not rerank"),
        ("BertForMaskedLM", "question-answering", "which serves fill-mask.*, not question"),
        ("T5GemmaForConditionalGeneration", "summarization", "for which this runtime has no task"),
    ],
)
def test_another_task_is_refused(architecture, task, message, tmp_path):
    with pytest.raises(CannotStart, match=message):
        detect_task(tmp_path, architecture, Task(task))
