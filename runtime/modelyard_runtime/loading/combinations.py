"""What a format needs of the rest of the spec: pure, and decided before anything is loaded."""

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import DType, Format
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
