"""Which files of a repository are fetched, and what is refused."""

import pytest

from modelyard_api.fetch import ModelSource
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.listing import RemoteFile
from modelyard_runtime.fetch.programs import Asked
from modelyard_runtime.fetch.selection import select_files

NOTHING = Asked()
TRANSFORMERS = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")


def files(*names):
    return [RemoteFile(name, 1, blob_sha1="0" * 40) for name in names]


def select(names, path="", asked=NOTHING):
    """Targets by name in the repository."""
    chosen = select_files(files(*names), ModelSource("acme/tiny", path), asked)
    assert [one.target for one in chosen] == sorted(one.target for one in chosen)
    return {one.file.name: one.target for one in chosen}


def same(*names):
    return {name: name for name in names}


FETCHED = [
    pytest.param(
        (*TRANSFORMERS, "model.safetensors", "pytorch_model.bin", "tf_model.h5", "model.onnx",
         "flax_model.msgpack", "rust_model.ot", "pytorch_model.bin.index.json"),
        "",
        same(*TRANSFORMERS, "model.safetensors"),
        id="safetensors before every other format",
    ),
    pytest.param(
        ("config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
         "model-00002-of-00002.safetensors", "consolidated.safetensors", "params.json"),
        "",
        same("config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
             "model-00002-of-00002.safetensors", "params.json"),
        id="parts with their index, and the same weights only once",
    ),
    pytest.param(
        ("config.json", "model.safetensors", "model.fp16.safetensors"),
        "",
        same("config.json", "model.safetensors"),
        id="one precision",
    ),
    pytest.param(
        ("config.json", "layers-1.safetensors", "mtp.safetensors", "model.safetensors.index.json"),
        "",
        same("config.json", "layers-1.safetensors", "mtp.safetensors",
             "model.safetensors.index.json"),
        id="weights of any name, since an index may name them",
    ),
    pytest.param(
        ("config.json", "model.safetensors", "merges.txt", "vocab.json", "spiece.model",
         "chat_template.jinja", "qwen.tiktoken", "additional_chat_templates/tool.jinja"),
        "",
        same("config.json", "model.safetensors", "merges.txt", "vocab.json", "spiece.model",
             "chat_template.jinja", "qwen.tiktoken", "additional_chat_templates/tool.jinja"),
        id="vocabularies and templates of every kind",
    ),
    pytest.param(
        ("config.json", "model.safetensors", "modeling_tiny.py", "handler.py", "README.md",
         ".gitattributes", ".eval_results/a.json", "figure.png", "data.parquet", "run.sh"),
        "",
        same("config.json", "model.safetensors"),
        id="no code, no pages, no pictures",
    ),
    pytest.param(
        ("config.json", "model.safetensors", "modules.json", "1_Pooling/config.json",
         "2_Dense/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin",
         "onnx/model.onnx", "onnx/config.json", "openvino/openvino_model.xml"),
        "",
        same("config.json", "model.safetensors", "modules.json", "1_Pooling/config.json",
             "2_Dense/config.json", "2_Dense/model.safetensors"),
        id="the modules of a sentence-transformers model",
    ),
    pytest.param(
        ("config.json", "model.safetensors", "original/params.json", "original/a.pth",
         "checkpoint-500/config.json", "checkpoint-500/model.safetensors"),
        "",
        same("config.json", "model.safetensors"),
        id="no folders that the model does not name",
    ),
    pytest.param(
        ("config.json", "README.md", "tiny-q4_0.gguf", "mmproj-tiny-f16.gguf"),
        "",
        same("tiny-q4_0.gguf"),
        id="the one GGUF file, without its eyes",
    ),
    pytest.param(
        ("gguf/tiny.gguf",), "", {"gguf/tiny.gguf": "tiny.gguf"}, id="a GGUF file in a folder"
    ),
    pytest.param(
        ("config.json", "model.safetensors", "tiny.gguf"),
        "",
        same("config.json", "model.safetensors"),
        id="safetensors before GGUF",
    ),
    pytest.param(
        ("a.gguf", "b.gguf", "config.json"), "b.gguf", same("b.gguf"), id="a GGUF file by name"
    ),
    pytest.param(
        ("q/a.gguf", "q/b.gguf"), "q/a.gguf", {"q/a.gguf": "a.gguf"}, id="by name in a folder"
    ),
    pytest.param(
        ("q4/a.gguf", "q8/a.gguf"), "q8", {"q8/a.gguf": "a.gguf"}, id="the one in a folder"
    ),
    pytest.param(
        ("config.json", "model.safetensors", "v2/config.json", "v2/model.safetensors", "v2x/a.txt"),
        "v2",
        {"v2/config.json": "config.json", "v2/model.safetensors": "model.safetensors"},
        id="a folder becomes the root",
    ),
    pytest.param(
        ("config.json", "model.fp16.safetensors", "model.safetensors",
         "model.safetensors.index.json", "vocab.txt"),
        "model.fp16.safetensors",
        {"config.json": "config.json", "model.fp16.safetensors": "model.safetensors",
         "vocab.txt": "vocab.txt"},
        id="one precision by name, with what stands beside it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("names", "path", "expected"), FETCHED)
def test_what_the_loader_takes_is_fetched(names, path, expected):
    assert select(names, path) == expected


CONVERT = (
    "Convert the weights to safetensors: load the model where you trust it, save it with "
    "model.save_pretrained(folder), and publish that; or choose a repository that has safetensors."
)
FORMATS = (
    "This runtime takes safetensors (transformers folders), GGUF, ONNX, Keras (*.keras, *.h5) and, "
    "where spec.model.format says so, programs of PyTorch."
)
NAME_ONE = "Name one GGUF or safetensors file in spec.model.uri, or the folder."
MERGE = (
    "Merge the parts (llama-gguf-split --merge) and publish the whole, or choose a smaller "
    "quantisation that is one file."
)

REFUSED = [
    pytest.param(
        ("config.json", "pytorch_model.bin", "training_args.bin"),
        "",
        "ModelUnsupported",
        "The weights of hf://acme/tiny are Python pickles only (pytorch_model.bin, "
        "training_args.bin); opening one can run any code",
        CONVERT,
        id="pickles only",
    ),
    pytest.param(
        ("config.json", "pytorch_model.bin"),
        "pytorch_model.bin",
        "ModelUnsupported",
        "pytorch_model.bin is a Python pickle; opening one can run any code",
        CONVERT,
        id="a pickle by name",
    ),
    pytest.param(
        ("a-q4_0.gguf", "a-q8_0.gguf"),
        "",
        "ModelUnsupported",
        "hf://acme/tiny holds 2 GGUF files, and one pod serves one: a-q4_0.gguf, a-q8_0.gguf",
        "Name one in spec.model.uri, for example hf://acme/tiny/a-q4_0.gguf.",
        id="several GGUF files",
    ),
    pytest.param(
        ("a-00001-of-00002.gguf", "a-00002-of-00002.gguf"),
        "a-00001-of-00002.gguf",
        "ModelUnsupported",
        "a-00001-of-00002.gguf is one part of a GGUF file that was split",
        MERGE,
        id="a part of a GGUF file",
    ),
    pytest.param(
        ("config.json", "model-00001-of-00002.safetensors"),
        "model-00001-of-00002.safetensors",
        "ModelUnsupported",
        "model-00001-of-00002.safetensors is not the weights of a whole model",
        NAME_ONE,
        id="a part of the weights",
    ),
    pytest.param(
        ("config.json", "model.safetensors"),
        "config.json",
        "ModelUnsupported",
        "config.json is not the weights of a whole model",
        NAME_ONE,
        id="a file without weights",
    ),
    pytest.param(
        ("README.md", "large/config.json", "large/model.safetensors", "small/model.safetensors"),
        "",
        "ModelNotFound",
        "hf://acme/tiny has its weights in folders: large, small",
        "Name the folder in spec.model.uri, for example hf://acme/tiny/large.",
        id="weights in folders",
    ),
    pytest.param(
        ("config.json", "onnx/model.onnx"),
        "",
        "ModelUnsupported",
        "The weights of hf://acme/tiny are of a format that is not served: onnx/model.onnx",
        FORMATS,
        id="another format",
    ),
    pytest.param(
        (".gitattributes", "README.md"),
        "",
        "ModelNotFound",
        "hf://acme/tiny has no weights; it holds .gitattributes, README.md",
        f"Check spec.model.uri. {FORMATS}",
        id="no weights",
    ),
    pytest.param(
        (),
        "",
        "ModelNotFound",
        "hf://acme/tiny has no weights; it holds nothing",
        f"Check spec.model.uri. {FORMATS}",
        id="nothing",
    ),
    pytest.param(
        ("adapter_config.json", "adapter_model.safetensors"),
        "",
        "ModelUnsupported",
        "hf://acme/tiny is an adapter (adapter_config.json), not a whole model",
        (
            "Name the base model in spec.model.uri, and this in spec.model.adapters; or merge it "
            "into its base model (merge_and_unload in peft) and publish the result."
        ),
        id="an adapter",
    ),
    pytest.param(
        ("model.safetensors",),
        "",
        "ModelNotFound",
        "hf://acme/tiny has weights (model.safetensors) but no config.json beside them",
        "Choose a repository or folder in the layout of transformers.",
        id="weights alone",
    ),
    pytest.param(
        ("Q4/a.gguf",),
        "q4",
        "ModelNotFound",
        "hf://acme/tiny has no file or folder 'q4'; it holds Q4/a.gguf",
        "Correct the path in spec.model.uri; upper and lower case count.",
        id="a path that is none",
    ),
]


@pytest.mark.parametrize(("names", "path", "reason", "message", "hint"), REFUSED)
def test_what_the_loader_does_not_take_is_refused(names, path, reason, message, hint):
    with pytest.raises(CannotStart) as caught:
        select(names, path)
    error = caught.value
    assert (error.reason, error.message, error.hint) == (reason, message, hint)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.json",
        "a/../../evil.json",
        "/etc/passwd",
        "a//b.json",
        "./config.json",
        "a\\..\\b.json",
        "a\0.json",
        "a\n.json",
        "",
        "é" * 128 + ".json",
    ],
)
def test_names_that_could_leave_the_folder_are_refused(name):
    with pytest.raises(CannotStart, match="could leave the model folder") as caught:
        select(("config.json", "model.safetensors", name))
    assert caught.value.reason == "ModelUnsafe"


def test_a_long_list_is_told_in_part():
    with pytest.raises(CannotStart, match=r"holds 40 GGUF files.* a-11\.gguf and 28 more$"):
        select([f"a-{number:02}.gguf" for number in range(40)])
