"""What tasks that point into a text need of a tokenizer: where each token stands."""

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.loaded import Loaded


def require_offsets(loaded: Loaded) -> None:
    """Refuse a tokenizer that cannot say which characters a token is.

    Raises:
        CannotStart: ModelUnsupported.
    """
    if loaded.tokenizer.is_fast:
        return
    raise CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The model's tokenizer ({type(loaded.tokenizer).__name__}) cannot say where in the text a "
        f"token stands, which {loaded.wanted.detected.task.value} is about",
        hint="Save the model with its fast tokenizer (the file tokenizer.json).",
    )
