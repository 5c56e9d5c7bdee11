"""What a format needs of the rest of the spec: pure, and decided before anything is loaded."""

from collections.abc import Sequence

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import DType, Export, Format, Optimize, Quantization, Task
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.detection import Detected

#: Formats that run what the model brings, and what that is.
_CODE = {
    Format.TORCHSCRIPT: "TorchScript is a program",
    Format.TORCH_EXPORT: "torch.export is a program",
    Format.STATE_DICT: "the class of spec.model.entrypoint is a program in Python",
}
#: Formats whose numbers are of the type that the file says.
_FIXED_DTYPE = frozenset(
    {Format.ONNX, Format.KERAS, Format.TORCHSCRIPT, Format.TORCH_EXPORT, Format.STATE_DICT}
)

#: Their programs depend on the number of rows: each request might be one to compile for.
_UNCOMPILED = frozenset({Quantization.INT8, Quantization.INT4})
#: Tasks whose model is called once for each answer, with tensors and nothing else.
_ONE_STEP = frozenset(Task) - {
    Task.TEXT_GENERATION,
    Task.SUMMARIZATION,
    Task.TRANSLATION,
    Task.AUTOMATIC_SPEECH_RECOGNITION,
    Task.OBJECT_DETECTION,
}


def check_combination(detected: Detected, dtype: DType, *, allow_code: bool) -> None:
    """Refuse what does not go together.

    Raises:
        CannotStart: ModelUnsafe, the model's code is not allowed; ConfigInvalid, the format leaves
            no choice of a number type.
    """
    form = detected.format
    if form in _CODE and not allow_code:
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"The model brings code that would run: {_CODE[form]} "
            f"({detected.entrypoint or detected.file_name})",
            hint="If you trust who writes to spec.model.uri, set spec.model.allowCode to true, "
            "which the platform's policy must allow; else convert the model to ONNX or Keras.",
        )
    if form in _FIXED_DTYPE and dtype is not DType.AUTO:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.runtime.dtype {dtype.value} cannot be had: the format {form.value} fixes the "
            "type of its numbers",
            hint="Remove spec.runtime.dtype, or convert the model before it is published.",
        )


def require_cpu(device: str, wanted: Optimize) -> None:
    """Refuse other devices.

    Raises:
        CannotStart: ConfigInvalid.
    """
    if device not in {"", "cpu"}:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.optimize ({wanted.steps}) is for CPUs, and the model is to run on {device}",
            hint="Remove spec.optimize, or spec.resources.gpu.",
        )


def check_optimize(detected: Detected, wanted: Optimize, device: str = "") -> None:
    """Refuse what cannot be done to this kind of model, or there.

    Raises:
        CannotStart: ConfigInvalid.
    """
    if not wanted.steps:
        return
    if detected.format not in {Format.TRANSFORMERS, Format.GGUF}:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.optimize ({wanted.steps}) is for models of the formats transformers and gguf, "
            f"and this is {detected.format.value}",
            hint="Remove spec.optimize, or optimise the model before it is published.",
        )
    require_cpu(device, wanted)
    is_quantized = wanted.quantization is not Quantization.NONE
    if wanted.export is not Export.NONE and (is_quantized or wanted.compile):
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.optimize.export {wanted.export.value} goes with pruning only, and "
            f"{wanted.steps} is asked for",
            hint="Remove spec.optimize.export, or quantization and compile.",
        )
    one_step = detected.task in _ONE_STEP
    for field, is_wanted in (("export", wanted.export is Export.ONNX), ("compile", wanted.compile)):
        if is_wanted and not one_step:
            raise CannotStart(
                Reason.CONFIG_INVALID,
                f"spec.optimize.{field} is for models that answer in one step, and "
                f"{detected.task.value} takes many",
                hint=f"Remove spec.optimize.{field}; quantization is for such models, too.",
            )
    if wanted.compile and wanted.quantization in _UNCOMPILED:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.optimize.compile does not go with quantization {wanted.quantization.value}: "
            "it has its own programs",
            hint="Use quantization dynamic-int8 or none with compile, or remove it.",
        )


def check_adapters(
    detected: Detected, model_name: str, adapters: Sequence[str], optimize: Optimize
) -> None:
    """Refuse LoRA adapters where they cannot be computed, or cannot be told from one another.

    Raises:
        CannotStart: ConfigInvalid.
    """
    if not adapters:
        return
    if (detected.task, detected.format) != (Task.TEXT_GENERATION, Format.TRANSFORMERS):
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"The model has adapters ({', '.join(adapters)}), and it does {detected.task.value} in "
            f"the format {detected.format.value}",
            hint="Adapters are for text-generation by models of the format transformers: remove "
            "spec.model.adapters, or merge the adapter into the model before it is published.",
        )
    if optimize.steps:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"spec.optimize ({optimize.steps}) and spec.model.adapters do not go together: an "
            "adapter fits the weights that it was trained on",
            hint="Remove one of the two.",
        )
    names = (model_name, *adapters)
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise CannotStart(
            Reason.CONFIG_INVALID,
            f"Clients could not tell the model and its adapters apart: {twice!r} is there twice",
            hint="Give each of spec.model.adapters a name of its own, other than the model's.",
        )
