"""What the documentation shows for a model, that very model answers: for each task, and for models
that take less than others of their task do."""

import json

import onnx
import pytest
import torch
import transformers
from onnx import TensorProto, helper

from modelyard_api.serving import ServingConfig
from modelyard_runtime.suggesting import suggest
from tests.support.documented import list_promised, read_document, send_examples
from tests.support.letter_tokenizer import VOCABULARY, write_letter_tokenizer
from tests.support.picture_models import write_vit
from tests.support.runtime_server import build_client
from tests.support.tiny_models import (
    CHAT_TEMPLATE,
    edit_json,
    running,
    write_model,
    write_tokenizer,
)
from tests.support.tiny_speech import write_wav2vec2

T5 = {
    "num_decoder_layers": 1,
    "d_kv": 16,
    "d_ff": 96,
    "tie_word_embeddings": False,
    "decoder_start_token_id": 0,
    "n_positions": 128,
    "task_specific_params": {
        "summarization": {"prefix": "t9 ", "max_length": 4},
        "translation_en_to_fr": {"prefix": "t30 ", "max_length": 4},
        "translation_en_to_de": {"prefix": "t40 ", "max_length": 4},
    },
}


def write_bert(folder, kind, **settings):
    config = {"vocab_size": len(VOCABULARY), "pad_token_id": 0, "num_hidden_layers": 1}
    write_model(folder, f"Bert{kind}", **config, **settings)
    return write_letter_tokenizer(folder)


def write_chatting(folder):
    write_model(folder, "LlamaForCausalLM", num_hidden_layers=1)
    write_tokenizer(folder, chat_template=CHAT_TEMPLATE)


def write_mute(folder):
    write_model(folder, "LlamaForCausalLM", num_hidden_layers=1)


def write_masks(folder):
    write_model(folder, "BertForMaskedLM", type_vocab_size=2, vocab_size=201, num_hidden_layers=1)
    write_tokenizer(folder, mask_token="<mask>")


def write_t5(folder):
    write_model(folder, "T5ForConditionalGeneration", num_layers=1, **T5)
    edit_json(folder / "generation_config.json", max_new_tokens=4)


def write_yolos(folder):
    config = transformers.YolosConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=[48, 64],
        patch_size=8,
        num_detection_tokens=6,
    )
    transformers.YolosForObjectDetection(config).save_pretrained(folder)
    size = {"height": 48, "width": 64}
    transformers.YolosImageProcessorPil(size=size).save_pretrained(folder)


def write_onnx(folder):
    """Inputs of three types; the texts only pass."""
    kinds = {"p": TensorProto.FLOAT16, "q": TensorProto.INT64, "word": TensorProto.STRING}
    inputs = [helper.make_tensor_value_info(name, kind, ["n", 2]) for name, kind in kinds.items()]
    outputs = [
        helper.make_tensor_value_info(f"{name}_back", kind, ["n", 2])
        for name, kind in kinds.items()
    ]
    nodes = [helper.make_node("Identity", [name], [f"{name}_back"]) for name in kinds]
    graph = helper.make_graph(nodes, "echo", inputs, outputs)
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "m.onnx")


def write_class(folder, example, answer):
    (folder / "net.py").write_text(
        "import torch\n\n\n"
        "class Net(torch.nn.Linear):\n"
        f"    example = {example!r}\n\n"
        "    def __init__(self):\n"
        "        super().__init__(1, 1)\n\n"
        "    def predict(self, inputs):\n"
        "        if any(one != self.example for one in inputs):\n"
        "            raise ValueError('never learned')\n"
        f"        return [{answer!r} for _ in inputs]\n"
    )
    torch.save(torch.nn.Linear(1, 1).state_dict(), folder / "model.pth")


CODE = {"allow_code": True, "entrypoint": "net:Net"}
ENTAILS = {"id2label": {0: "contradiction", 1: "entailment"}}

MODELS = [
    pytest.param(write_chatting, {}, id="text-generation"),
    pytest.param(write_mute, {}, id="text-generation without a chat template"),
    pytest.param(lambda folder: write_bert(folder, "Model"), {}, id="embeddings"),
    pytest.param(
        lambda folder: write_bert(folder, "ForSequenceClassification", num_labels=1),
        {"task": "rerank"},
        id="rerank",
    ),
    pytest.param(write_masks, {}, id="fill-mask, with a mask of its own"),
    pytest.param(
        lambda folder: write_bert(folder, "ForSequenceClassification", num_labels=3),
        {},
        id="text-classification",
    ),
    pytest.param(
        lambda folder: write_bert(folder, "ForTokenClassification", num_labels=3),
        {},
        id="token-classification",
    ),
    pytest.param(
        lambda folder: write_bert(folder, "ForQuestionAnswering"), {}, id="question-answering"
    ),
    pytest.param(
        lambda folder: write_bert(folder, "ForSequenceClassification", **ENTAILS),
        {"task": "zero-shot-classification"},
        id="zero-shot-classification",
    ),
    pytest.param(write_t5, {"task": "summarization"}, id="summarization"),
    pytest.param(write_t5, {"task": "translation"}, id="translation that asks for languages"),
    pytest.param(write_vit, {}, id="image-classification"),
    pytest.param(write_yolos, {}, id="object-detection"),
    pytest.param(write_wav2vec2, {}, id="automatic-speech-recognition"),
    pytest.param(write_onnx, {}, id="tensors of three types"),
    pytest.param(
        lambda folder: write_class(folder, {"numbers": [1.5]}, {"sum": 1.5}),
        {**CODE, "task": "predict"},
        id="a class that takes one kind of JSON",
    ),
    pytest.param(
        lambda folder: write_class(folder, "twenty one", "einundzwanzig"),
        {**CODE, "task": "translation"},
        id="a class that translates one text",
    ),
]
FORMS = {"post /v1/audio/transcriptions"}


@pytest.mark.parametrize(("write", "config"), MODELS)
async def test_each_example_is_answered(write, config, tmp_path):
    write(tmp_path)
    async with running(tmp_path, **config) as engine, build_client(engine) as client:
        document = await read_document(client)
        statuses = await send_examples(client, document)
        command = suggest(engine, ServingConfig(model_name="tiny"), host="h", port=1)
    good = {operation for operation, status in statuses.items() if status == 200}
    assert good == list_promised(document) - FORMS
    assert "post /predict" in good
    assert command.startswith("curl http://h:1/")


async def test_a_picture_of_150_thousand_numbers_is_not_shown(tmp_path):
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 224, 224])
        for name in ("x", "y")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "large", tensors[:1], tensors[1:]
    )
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), tmp_path / "m.onnx")
    async with running(tmp_path) as engine, build_client(engine) as client:
        document = await read_document(client)
        command = suggest(engine, ServingConfig(model_name="tiny"), host="h", port=1)
    assert "example" not in json.dumps(document["paths"]["/predict"])
    assert command == ""
