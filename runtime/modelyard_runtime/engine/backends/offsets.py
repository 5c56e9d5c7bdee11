"""What tasks that point into a text need of a tokenizer: where each token stands."""

from dataclasses import dataclass

from modelyard_api.meta import Reason
from modelyard_runtime.engine.backends.texts import TextRows, TokenRow
from modelyard_runtime.errors import CannotStart, InvalidRequest
from modelyard_runtime.loading.loaded import Loaded


@dataclass(frozen=True, slots=True)
class LocatedRow:
    """A text's tokens and, for those that are text, the characters at which each stands."""

    row: TokenRow
    places: tuple[tuple[int, int] | None, ...]

    @property
    def length(self) -> int:
        """Number of tokens."""
        return self.row.length


def locate(texts: TextRows, text: str, *, param: str) -> LocatedRow:
    """Return a text's tokens with their places; the tokenizer is one that require_offsets takes.

    Raises:
        InvalidRequest: it is empty or too long; `param` is the field that is named.
    """
    encoded = texts.tokenizer(text, return_offsets_mapping=True, return_special_tokens_mask=True)
    if not text or not encoded["input_ids"]:
        raise InvalidRequest("the text is empty", param=param)
    texts.require_known(encoded["input_ids"], param)
    texts.require_length(len(encoded["input_ids"]), "the text", param)
    marks = zip(encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
    places = tuple(None if special else place for place, special in marks)
    return LocatedRow(TokenRow(encoded["input_ids"]), places)


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
