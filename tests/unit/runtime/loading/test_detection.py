"""Which format and task a folder is, and what does not go together."""

import io
import json
import struct
import zipfile

import pytest

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import DType, Format, Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.combinations import check_combination
from modelyard_runtime.loading.detection import Detected, detect
from modelyard_runtime.loading.vetting import vet_folder

_HEADER = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
WEIGHTS = struct.pack("<Q", len(_HEADER)) + _HEADER + bytes(4)
BERT = b'{"architectures": ["BertForMaskedLM"], "model_type": "bert"}'


def torchscript():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("m/constants.pkl", "m/code/__torch__.py"):
            archive.writestr(name, b"")
    return file.getvalue()


@pytest.fixture
def look(tmp_path):
    """Detect a folder of these files, empty where no content is given."""

    def look_at(files, task=Task.AUTO, form=Format.AUTO, entrypoint=""):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        vetted = vet_folder(tmp_path, form=form, entrypoint=entrypoint)
        return detect(vetted, task, form, entrypoint)

    return look_at


@pytest.mark.parametrize(
    ("files", "asked", "form", "name"),
    [
        pytest.param({"a.onnx": b""}, {}, "onnx", "a.onnx", id="the only ONNX file"),
        pytest.param(
            {"a.onnx": b"", "model.onnx": b""}, {}, "onnx", "model.onnx", id="the one named model"
        ),
        pytest.param({"m.keras": b""}, {}, "keras", "m.keras", id="a Keras file"),
        pytest.param({"m.h5": b""}, {}, "keras", "m.h5", id="an HDF5 file"),
        pytest.param({"m.h5": b"", "n.keras": b""}, {}, "keras", "n.keras", id="both of Keras"),
        pytest.param({"m.pt2": b""}, {}, "torch-export", "m.pt2", id="an exported program"),
        pytest.param({"m.pt": torchscript()}, {}, "torchscript", "m.pt", id="TorchScript"),
        pytest.param(
            {"m.pth": b"", "net.py": b""},
            {"entrypoint": "net:Net"},
            "state-dict",
            "m.pth",
            id="weights of a class",
        ),
        pytest.param(
            {"model.safetensors": WEIGHTS, "config.json": BERT, "net.py": b""},
            {"entrypoint": "net:Net"},
            "state-dict",
            "model.safetensors",
            id="an entrypoint, whatever config.json says",
        ),
        pytest.param(
            {"model.safetensors": WEIGHTS, "config.json": BERT, "model.onnx": b""},
            {},
            "transformers",
            "",
            id="transformers, with an export of it",
        ),
        pytest.param(
            {"model.safetensors": WEIGHTS, "config.json": BERT, "onnx/model.onnx": b""},
            {"form": Format.ONNX},
            "onnx",
            "onnx/model.onnx",
            id="the export, where it is asked for",
        ),
        pytest.param(
            {"a.onnx": b"", "b.keras": b""},
            {"form": Format.KERAS},
            "keras",
            "b.keras",
            id="the format that is asked for",
        ),
    ],
)
def test_the_files_tell_the_format(look, files, asked, form, name):
    found = look(files, **asked)
    assert (found.format, found.file_name) == (form, name)
    assert found.task == ("fill-mask" if form == "transformers" else "predict")


@pytest.mark.parametrize(
    ("files", "asked", "reason", "message"),
    [
        pytest.param(
            {"a.onnx": b"", "b.onnx": b""},
            {},
            Reason.MODEL_UNSUPPORTED,
            r"holds 2 models \(a\.onnx, b\.onnx\)",
            id="two of a kind",
        ),
        pytest.param(
            {"a.onnx": b"", "b.keras": b""},
            {},
            Reason.MODEL_UNSUPPORTED,
            r"models of 2 formats \(onnx, keras\)",
            id="two kinds",
        ),
        pytest.param(
            {"a.onnx": b""},
            {"task": Task.TEXT_GENERATION},
            Reason.MODEL_UNSUPPORTED,
            "is a file of the format onnx, which serves predict, not text-generation",
            id="a task that the format does not serve",
        ),
        pytest.param(
            {"a.onnx": b""},
            {"form": Format.KERAS},
            Reason.MODEL_NOT_FOUND,
            r"no model of format keras \(\*\.keras, \*\.h5\); it holds a\.onnx",
            id="a format that is not there",
        ),
        pytest.param(
            {"model.safetensors": WEIGHTS, "config.json": BERT},
            {"form": Format.STATE_DICT},
            Reason.CONFIG_INVALID,
            "does not say which class they are for",
            id="weights without their class",
        ),
        pytest.param(
            {"model.safetensors": WEIGHTS, "config.json": BERT},
            {"form": Format.TRANSFORMERS, "entrypoint": "net:Net"},
            Reason.CONFIG_INVALID,
            "'net:Net' is for the format state-dict, not transformers",
            id="a class for a format that has its own",
        ),
        pytest.param(
            {"model.safetensors": WEIGHTS, "net.py": b""},
            {"entrypoint": "net:Net", "task": Task.FILL_MASK},
            Reason.MODEL_UNSUPPORTED,
            "net:Net, which serves predict and text-classification and translation",
            id="a task that no class serves",
        ),
        pytest.param(
            {"tf_model.h5": b"", "config.json": BERT},
            {},
            Reason.MODEL_NOT_FOUND,
            "has no model",
            id="weights of transformers for TensorFlow",
        ),
    ],
)
def test_what_does_not_fit_says_so(look, files, asked, reason, message):
    with pytest.raises(CannotStart, match=message) as refused:
        look(files, **asked)
    assert refused.value.reason is reason
    assert refused.value.hint


@pytest.mark.parametrize("form", [Format.TORCHSCRIPT, Format.TORCH_EXPORT, Format.STATE_DICT])
def test_what_is_code_must_be_allowed(form):
    detected = Detected(form, Task.PREDICT, "", "model.pt", "")
    check_combination(detected, DType.AUTO, allow_code=True)
    with pytest.raises(CannotStart, match="brings code that would run") as refused:
        check_combination(detected, DType.AUTO, allow_code=False)
    assert refused.value.reason is Reason.MODEL_UNSAFE
    assert "spec.model.allowCode" in refused.value.hint


@pytest.mark.parametrize(
    ("form", "is_free"), [(Format.ONNX, False), (Format.KERAS, False), (Format.GGUF, True)]
)
def test_the_number_type_is_free_where_weights_are_converted(form, is_free):
    detected = Detected(form, Task.PREDICT, "", "model", "")
    if is_free:
        check_combination(detected, DType.FLOAT16, allow_code=False)
        return
    with pytest.raises(CannotStart, match=f"the format {form.value} fixes") as refused:
        check_combination(detected, DType.FLOAT16, allow_code=False)
    assert refused.value.reason is Reason.CONFIG_INVALID
