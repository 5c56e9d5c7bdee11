"""Turns what model libraries raise while they load into reasons that a person can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart

# torch's CPU allocator raises a bare RuntimeError.
_NO_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "not enough memory",
    "Failed to allocate memory",
)
_NO_ARCHITECTURE = (
    "does not recognize this architecture",
    "Unrecognized model",
    "Unrecognized configuration class",
)
_LIST_OF_ALL = "Model type should be one of"


@contextmanager
def translated_load_errors() -> Iterator[None]:
    """Raise CannotStart for whatever goes wrong inside."""
    try:
        yield
    except CannotStart:
        raise
    except Exception as error:
        raise explain(error) from error


def is_out_of_memory(error: Exception) -> bool:
    """Say whether a library ran out of memory; most of them raise a bare error."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def explain(error: Exception) -> CannotStart:
    """Return the reason, message and hint for an exception of a model library."""
    text = f"{type(error).__name__}: {error}"
    if is_out_of_memory(error):
        return CannotStart(
            Reason.NOT_ENOUGH_MEMORY,
            f"Memory ran out while the model was loaded. {text}",
            hint="Raise spec.resources.memory, use a GPU with more memory, or a smaller model.",
        )
    if any(words in str(error) for words in _NO_ARCHITECTURE):
        return CannotStart(
            Reason.MODEL_UNSUPPORTED,
            # A list of some hundred classes comes behind it.
            "The architecture is not one that this runtime's transformers knows. "
            f"{text.partition(_LIST_OF_ALL)[0].strip()}",
            hint="Check model_type in config.json. A newer architecture needs a newer runtime; "
            "one that brings its own code is not served.",
        )
    if isinstance(error, ImportError):
        return CannotStart(
            Reason.MODEL_UNSUPPORTED,
            f"The model needs a library that this runtime does not have. {text}",
            hint="Choose a version of the model that transformers loads by itself (of DETR, for "
            "example, the one without timm).",
        )
    return CannotStart(
        Reason.LOAD_FAILED,
        f"Loading failed. {text}",
        hint="Try the folder outside of Modelyard with transformers' from_pretrained; if it "
        "loads there, report this message as a defect of Modelyard.",
    )
