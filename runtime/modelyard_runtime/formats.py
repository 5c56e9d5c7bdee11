"""Formats that are one file, and what their files are called."""

from modelyard_api.v1alpha1 import Format

#: The better ending first: a folder may hold the same model twice.
SUFFIXES: dict[Format, tuple[str, ...]] = {
    Format.ONNX: (".onnx",),
    Format.KERAS: (".keras", ".h5"),
    Format.TORCH_EXPORT: (".pt2",),
    Format.TORCHSCRIPT: (".pt", ".pth", ".torchscript"),
    Format.STATE_DICT: (".safetensors", ".pth", ".pt"),
}
#: transformers' weights for TensorFlow, which are no model of Keras 3.
FOREIGN = frozenset({"tf_model.h5"})
