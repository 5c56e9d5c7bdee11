"""Examples of this protocol's requests, made of what the task declares. Pure."""

from collections.abc import Mapping
from typing import Any

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.protocols.openai.routes import CHAT, COMPLETIONS, EMBEDDINGS

_QUESTION = "What is the capital of France?"
_ANSWER_TOKENS = 32


def build_examples(
    task: Task, example: Mapping[str, Any], *, model_name: str, takes_chats: bool
) -> dict[str, Any]:
    """Return a body for each route; None for one that would refuse all.

    `example` is a body of the task's own route.
    """
    if task is Task.EMBEDDINGS:
        return {EMBEDDINGS: {"model": model_name, "input": example["text"]}}
    if task is not Task.TEXT_GENERATION:
        return {}
    chat = {
        "model": model_name,
        "messages": [{"role": "user", "content": _QUESTION}],
        "max_tokens": _ANSWER_TOKENS,
    }
    completion = {"model": model_name, "prompt": example["text"], "max_tokens": _ANSWER_TOKENS}
    return {CHAT: chat if takes_chats else None, COMPLETIONS: completion}
