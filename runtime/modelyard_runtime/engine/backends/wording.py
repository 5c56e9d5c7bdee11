"""What sentence-transformers does to a text before it becomes tokens.

The default prompt of config_sentence_transformers.json stands before it, and it is lower case where
sentence_bert_config.json has `do_lower_case`.
"""

from dataclasses import dataclass

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.folder import ModelFolder


@dataclass(frozen=True, slots=True)
class Wording:
    """A prompt, and whether letters are made small."""

    prompt: str = ""
    is_lowercase: bool = False

    def apply(self, content: str | tuple[int, ...]) -> str | tuple[int, ...]:
        """Return the text as the model is to read it; tokens, and no text at all, stay."""
        if not isinstance(content, str) or not content:
            return content
        text = f"{self.prompt}{content}"
        return text.lower() if self.is_lowercase else text


def read_wording(folder: ModelFolder) -> Wording:
    """Return what the folder's model does to texts.

    Raises:
        CannotStart: ModelUnsupported, the default prompt is missing, or is not to count.
    """
    config = _read(folder, "config_sentence_transformers.json")
    name, prompts = config.get("default_prompt_name"), config.get("prompts")
    prompt = prompts.get(name) if name and isinstance(prompts, dict) else None
    if name and not isinstance(prompt, str):
        raise _unsupported(f"has no prompt {name!r}, which it names as the default one")
    if prompt and any(_leaves_prompts_out(document) for document in folder.documents.values()):
        raise _unsupported("leaves its prompt out when it pools (include_prompt)")
    is_lowercase = _read(folder, "sentence_bert_config.json").get("do_lower_case") is True
    return Wording(prompt or "", is_lowercase)


def _read(folder: ModelFolder, name: str) -> dict[str, object]:
    document = folder.documents.get(name)
    return document if isinstance(document, dict) else {}


def _leaves_prompts_out(document: object) -> bool:
    return isinstance(document, dict) and document.get("include_prompt") is False


def _unsupported(why: str) -> CannotStart:
    return CannotStart(
        Reason.MODEL_UNSUPPORTED,
        f"The sentence-transformers model {why}",
        hint="Set default_prompt_name to null in config_sentence_transformers.json; clients then "
        "write prompts themselves.",
    )
