"""Commands to copy, for the model that is about to be served. Pure."""

import json
import shlex
from collections.abc import Mapping

from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1 import Task

_CHAT = {"messages": [{"role": "user", "content": "What is a model?"}]}


def build_examples(config: ServingConfig, *, host: str, port: int) -> str:
    """Return what to type next."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    base = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    lines = [
        f"Serving {config.model_name!r} from {config.model_path}",
        "",
        "Once it is ready:",
        f"  curl {base}/readyz",
        f"  {_post(f'{base}/predict', {'text': 'I love this.'})}",
    ]
    for task, condition, path, body in (
        (Task.TEXT_GENERATION, "if it generates text", "/v1/chat/completions", _CHAT),
        (Task.EMBEDDINGS, "if it makes embeddings", "/v1/embeddings", {"input": "I love this."}),
    ):
        if config.task is Task.AUTO:
            lines.append(f"  # {condition}:")
        if config.task in {Task.AUTO, task}:
            lines.append(f"  {_post(base + path, {'model': config.model_name, **body})}")
    return "\n".join([*lines, ""])


def _post(url: str, body: Mapping[str, object]) -> str:
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl {url} -H 'Content-Type: application/json' -d {data}"
