"""Requests that the loaded model is known to answer, for documentation and for people to copy."""

from typing import Any, cast

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.protocols.open_inference import examples as open_inference
from modelyard_runtime.protocols.open_inference.routes import INFER
from modelyard_runtime.protocols.openai import examples as openai
from modelyard_runtime.protocols.predict.routes import PREDICT
from modelyard_runtime.protocols.rerank.routes import RERANK
from modelyard_runtime.tasks import rerank
from modelyard_runtime.tasks.spec import Example
from modelyard_runtime.tasks.table import SPECS

#: A body of JSON for each route's path. None: the model refuses whatever it is asked there. Empty:
#: there is none that could be shown.
Examples = dict[str, Any]


def build_examples(engine: GenerationEngine | BatchEngine, model_name: str) -> Examples:
    """Return a body for each route that infers."""
    spec = SPECS[engine.info.task]
    if spec.task is Task.TEXT_GENERATION:
        example, takes_chats = spec.example, cast(GenerationEngine, engine).takes_chats
    else:
        example = spec.fit_example(spec.example, cast(BatchEngine, engine).sample())
        takes_chats = False
    examples: Examples = {PREDICT: example, spec.route: example}
    if spec.task in {Task.RERANK, Task.EMBEDDINGS}:
        examples[RERANK] = rerank.SPEC.example
    examples |= openai.build_examples(
        spec.task, example, model_name=model_name, takes_chats=takes_chats
    )
    return examples | dict.fromkeys(INFER, _build_inference(engine, example))


def _build_inference(engine: GenerationEngine | BatchEngine, example: Example) -> Any:
    spec = SPECS[engine.info.task]
    if spec.task is not Task.PREDICT:
        return open_inference.build_example(spec, example)
    signature = cast(BatchEngine, engine).signature
    if signature is None:
        return None
    return open_inference.build_tensor_example(signature, example["inputs"]) if example else {}
