"""Hostile and damaged models are refused before anything of them runs."""

import io
import json
import os
import pickle
import re
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
import torch

from modelyard_api.meta import EXIT_CANNOT_START, Reason
from modelyard_runtime.errors import CannotStart
from tests.support.runtime_process import started
from tests.support.tiny_models import CAPACITY, running

CLASS = "import torch\n\n\nclass Net(torch.nn.Linear):\n    pass\n"
ARGUMENTS = b'{"in_features": 4, "out_features": 2}'
TRUSTED = {"allow_code": True, "entrypoint": "net:Net"}


class Payload:
    """Unpickled, it writes a file into the folder it was made for."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self._canary}",)


def pickled(canary: Path, protocol: int = 4) -> bytes:
    return pickle.dumps({"weight": Payload(canary)}, protocol=protocol)


def torch_saved(content: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def zipped(**entries: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def hdf5(fill=lambda _file: None, **attributes: str) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs.update(attributes)
        fill(file)
    return content.getvalue()


def layers(*parts: object) -> str:
    config = {"name": "m", "layers": list(parts)}
    return json.dumps({"module": "keras", "class_name": "Sequential", "config": config})


def keras_file(config: str, weights: bytes | None = None, **more: bytes) -> bytes:
    entries = {"config.json": config.encode(), "model.weights.h5": weights or hdf5()}
    return zipped(**{"metadata.json": b"{}"} | entries | more)


LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}},
}
IMPORTED = {"module": "os", "class_name": "function", "config": "system", "registered_name": "x"}
REGISTERED = {"module": None, "class_name": "Net", "registered_name": "mine>Net", "config": {}}
DOWNLOAD = {"module": "keras.utils", "class_name": "get_file", "config": {}}
WRAPPED = {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"module": "x"}}
LOOKUP = {
    "module": "keras.layers",
    "class_name": "StringLookup",
    "config": {"vocabulary": "/etc/passwd"},
}
DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}}


def onnx_model(*, domain: str = "", location: str = "") -> bytes:
    weight = onnx.numpy_helper.from_array(np.ones((4,), np.float32), "w")
    if location:
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
        weight.external_data.add(key="length", value="16")
    shape = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 4])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 4])
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"], domain=domain)
    graph = onnx.helper.make_graph([node], "g", [shape], [result], [weight])
    opsets = [onnx.helper.make_opsetid(domain, 1)] if domain else []
    opsets.append(onnx.helper.make_opsetid("", 20))
    model: bytes = onnx.helper.make_model(
        graph, opset_imports=opsets, ir_version=9
    ).SerializeToString()
    return model


def link_outside(file) -> None:
    file["stolen"] = h5py.ExternalLink("/etc/passwd", "/")


def stored_outside(file) -> None:
    file.create_dataset("w", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def bomb(file) -> None:
    file.create_dataset("w", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")


def truncated_export() -> bytes:
    file = io.BytesIO()
    torch.export.save(torch.export.export(torch.nn.Linear(4, 2), (torch.ones(1, 4),)), file)
    return file.getvalue()[:-500]


def safetensors_of_a_pickle(canary: Path) -> bytes:
    return struct.pack("<Q", 8) + pickled(canary)


CORPUS = [
    # what it is, its files, how it is asked for, and why it is refused
    (
        "a pickle that runs a command, as weights of a class",
        lambda canary: {"model.pth": torch_saved({"weight": Payload(canary)})},
        TRUSTED,
        (Reason.MODEL_UNSAFE, r"model\.pth is a pickle of more than weights: .*system"),
    ),
    (
        "an old pickle that runs a command, as weights of a class",
        lambda canary: {
            "model.pth": torch_saved(
                {"weight": Payload(canary)}, _use_new_zipfile_serialization=False
            )
        },
        TRUSTED,
        (Reason.MODEL_UNSAFE, r"model\.pth is a pickle of more than weights: .*system"),
    ),
    (
        "a plain pickle that runs a command, as weights of a class",
        lambda canary: {"model.pt": pickled(canary, protocol=2)},
        TRUSTED,
        (Reason.MODEL_UNSAFE, r"model\.pt is a pickle of more than weights: .*system"),
    ),
    (
        "a pickle that runs a command, and nothing said about it",
        lambda canary: {"model.pth": torch_saved({"weight": Payload(canary)})},
        {},
        (Reason.MODEL_UNSAFE, r"The weights are Python pickles only \(model\.pth\)"),
    ),
    (
        "a pickle called safetensors",
        lambda canary: {"model.safetensors": pickled(canary)},
        TRUSTED,
        (Reason.MODEL_UNSAFE, r"model\.safetensors is a Python pickle, whatever its name says"),
    ),
    (
        "a pickle behind the length of a safetensors header",
        lambda canary: {"model.safetensors": safetensors_of_a_pickle(canary)},
        TRUSTED,
        (Reason.MODEL_FILE_CORRUPT, r"model\.safetensors .* header cannot be read"),
    ),
    (
        "a zip with a pickle called safetensors",
        lambda canary: {"model.safetensors": torch_saved({"weight": Payload(canary)})},
        TRUSTED,
        (Reason.MODEL_UNSAFE, r"model\.safetensors is a Python pickle, whatever its name says"),
    ),
    (
        "a pickle called h5",
        lambda canary: {"model.h5": pickled(canary)},
        {},
        (Reason.MODEL_UNSAFE, r"model\.h5 is a Python pickle, whatever its name says"),
    ),
    (
        "a zip with a pickle called h5",
        lambda canary: {"model.h5": torch_saved({"weight": Payload(canary)})},
        {},
        (Reason.MODEL_FILE_CORRUPT, r"model\.h5 does not begin as HDF5 files do"),
    ),
    (
        "a zip with a pickle called keras",
        lambda canary: {"model.keras": torch_saved({"weight": Payload(canary)})},
        {},
        (Reason.MODEL_UNSUPPORTED, r"model\.keras is no model of Keras 3"),
    ),
    (
        "a pickle called keras",
        lambda canary: {"model.keras": pickled(canary)},
        {},
        (Reason.MODEL_UNSAFE, r"model\.keras is a Python pickle, whatever its name says"),
    ),
    (
        "a pickle called onnx",
        lambda canary: {"model.onnx": pickled(canary)},
        {},
        (Reason.MODEL_UNSAFE, r"model\.onnx is a Python pickle, whatever its name says"),
    ),
    (
        "TorchScript that nobody allowed",
        lambda _: {"model.pt": zipped(**{"m/constants.pkl": b"", "m/code/m.py": b""})},
        {},
        (Reason.MODEL_UNSAFE, r"brings code that would run: TorchScript is a program"),
    ),
    (
        "an exported program that nobody allowed",
        lambda _: {"model.pt2": zipped(**{"m/models/model.json": b"{}"})},
        {},
        (Reason.MODEL_UNSAFE, r"brings code that would run: torch\.export is a program"),
    ),
    (
        "a class that nobody allowed",
        lambda _: {"net.py": CLASS.encode(), "model.pth": torch_saved({})},
        {"entrypoint": "net:Net"},
        (Reason.MODEL_UNSAFE, r"brings code that would run: the class of .* \(net:Net\)"),
    ),
    (
        "a class outside of the folder",
        lambda _: {"model.pth": torch_saved({})},
        {"entrypoint": "os:system", "allow_code": True},
        (Reason.MODEL_NOT_FOUND, r"names the module os\.py, which the model folder does not have"),
    ),
    (
        "auto_map beside a class",
        lambda _: {"model.pth": torch_saved({}), "config.json": b'{"auto_map": {"a": "b.C"}}'},
        TRUSTED,
        (Reason.MODEL_UNSAFE, r"config\.json has the key 'auto_map'"),
    ),
    (
        "a lambda of Keras",
        lambda _: {"model.keras": keras_file(layers(LAMBDA))},
        {},
        (Reason.MODEL_UNSAFE, r"model\.keras has a __lambda__|has a Lambda"),
    ),
    (
        "a lambda of Keras in HDF5",
        lambda _: {"model.h5": hdf5(model_config=layers(LAMBDA))},
        {},
        (Reason.MODEL_UNSAFE, r"model\.h5 has a"),
    ),
    (
        "a lambda of Keras, though code is allowed",
        lambda _: {"model.keras": keras_file(layers(LAMBDA))},
        {"allow_code": True},
        (Reason.MODEL_UNSAFE, r"which brings code of its own"),
    ),
    *(
        (
            f"Keras and {what}",
            lambda _, part=part: {"model.keras": keras_file(layers(DENSE, part))},
            {},
            (Reason.MODEL_UNSAFE, message),
        )
        for what, part, message in (
            ("a function of another module", IMPORTED, r"names os\.function, which is no part"),
            ("a class registered elsewhere", REGISTERED, r"names 'mine>Net'"),
            ("a function that downloads", DOWNLOAD, r"names keras\.utils\.get_file"),
            ("a pickled module of torch", WRAPPED, r"has a TorchModuleWrapper"),
            ("a vocabulary of the machine", LOOKUP, r"reads the file '/etc/passwd'"),
        )
    ),
    (
        "Keras with an entry outside",
        lambda _: {"model.keras": keras_file(layers(DENSE), **{"../../evil": b"x"})},
        {},
        (Reason.MODEL_UNSAFE, r"an entry '\.\./\.\./evil' that would be written outside"),
    ),
    (
        "Keras that unpacks to more than the memory",
        lambda _: {"model.keras": keras_file(layers(DENSE), assets=bytes(64 << 20))},
        {"memory": 32 << 20},
        (Reason.MODEL_UNSAFE, r"would unpack to \d+ bytes"),
    ),
    (
        "HDF5 that unpacks to more than the memory",
        lambda _: {"model.keras": keras_file(layers(DENSE), hdf5(bomb))},
        {},
        (Reason.MODEL_UNSAFE, r"model\.weights\.h5 of model\.keras would unpack to 4398046511104"),
    ),
    (
        "HDF5 with a link to another file",
        lambda _: {"model.h5": hdf5(link_outside, model_config=layers(DENSE))},
        {},
        (Reason.MODEL_UNSAFE, r"model\.h5 has a link at .*stolen"),
    ),
    (
        "HDF5 with numbers of another file",
        lambda _: {"model.keras": keras_file(layers(DENSE), hdf5(stored_outside))},
        {},
        (Reason.MODEL_UNSAFE, r"takes /w from another file"),
    ),
    (
        "ONNX with weights outside",
        lambda _: {"model.onnx": onnx_model(location="../../etc/passwd")},
        {},
        (Reason.MODEL_UNSAFE, r"takes the weights 'w' from '\.\./\.\./etc/passwd'"),
    ),
    (
        "ONNX with weights at the root",
        lambda _: {"model.onnx": onnx_model(location="/etc/passwd")},
        {},
        (Reason.MODEL_UNSAFE, r"takes the weights 'w' from '/etc/passwd'"),
    ),
    (
        "ONNX with weights that are missing",
        lambda _: {"model.onnx": onnx_model(location="w.bin")},
        {},
        (Reason.MODEL_FILE_CORRUPT, r"names the file w\.bin, which is missing"),
    ),
    (
        "ONNX with weights cut short",
        lambda _: {"model.onnx": onnx_model(location="w.data"), "w.data": b"1234"},
        {},
        (Reason.MODEL_FILE_CORRUPT, r"w\.data is truncated: .* at least 16 bytes, the file has 4"),
    ),
    (
        "ONNX with operators of a library",
        lambda _: {"model.onnx": onnx_model(domain="evil.lib")},
        {},
        (Reason.MODEL_UNSUPPORTED, r"needs operators of a library of its own: evil\.lib\.Add"),
    ),
    *(
        (
            f"{name} cut short",
            lambda _, name=name, content=content: {"net.py": CLASS.encode(), name: content()},
            settings,
            (Reason.MODEL_FILE_CORRUPT, rf"{re.escape(name)}"),
        )
        for name, content, settings in (
            ("model.onnx", lambda: onnx_model()[:-20], {}),
            ("model.keras", lambda: keras_file(layers(DENSE))[:-20], {}),
            (
                "model.h5",
                lambda: hdf5(lambda f: f.create_dataset("w", data=np.ones(999)))[:-2000],
                {},
            ),
            ("model.pt2", truncated_export, {"allow_code": True}),
            ("model.pth", lambda: torch_saved({"weight": torch.ones(9)})[:-30], TRUSTED),
            (
                "model.pt",
                lambda: torch_saved({"weight": torch.ones(9)})[:-30],
                {"format": "torchscript", "allow_code": True},
            ),
        )
    ),
]


@pytest.mark.parametrize(
    ("build", "settings", "refusal"),
    [case[1:] for case in CORPUS],
    ids=[case[0] for case in CORPUS],
)
async def test_it_is_refused_and_nothing_of_it_runs(tmp_path, build, settings, refusal):
    folder, canary = tmp_path / "model", tmp_path / "canary"
    folder.mkdir()
    files = {"net.py": CLASS.encode(), "config.json": ARGUMENTS} if "entrypoint" in settings else {}
    for name, content in (files | build(canary)).items():
        (folder / name).write_bytes(content)
    options = {name: value for name, value in settings.items() if name != "memory"}
    capacity = replace(CAPACITY, memory_bytes=settings.get("memory", CAPACITY.memory_bytes))
    reason, message = refusal
    with pytest.raises(CannotStart, match=message) as refused:
        async with running(folder, capacity=capacity, **options):
            pass
    assert refused.value.reason is reason
    assert refused.value.hint
    assert not canary.exists()


async def test_the_process_ends_with_the_reason_as_its_last_word(tmp_path):
    canary, folder, last_word = tmp_path / "canary", tmp_path / "model", tmp_path / "last-word"
    folder.mkdir()
    last_word.touch()  # as the kubelet does
    (folder / "net.py").write_text(CLASS)
    (folder / "config.json").write_bytes(ARGUMENTS)
    (folder / "model.pth").write_bytes(torch_saved({"weight": Payload(canary)}))
    config = {"modelName": "m", "modelPath": str(folder), "entrypoint": "net:Net"}
    async with started(
        module="modelyard_runtime",
        config=json.dumps({**config, "allowCode": True}),
        MODELYARD_TERMINATION_LOG=str(last_word),
    ) as runtime:
        assert await runtime.ends(seconds=180) == EXIT_CANNOT_START
    error = json.loads(last_word.read_text())["error"]
    assert (error["reason"], bool(error["hint"])) == ("ModelUnsafe", True)
    assert error["message"].startswith("model.pth is a pickle of more than weights")
    assert not canary.exists()
