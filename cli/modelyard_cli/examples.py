"""Commands to copy, for the model that is about to be served. Pure."""

import json
import shlex
from collections.abc import Mapping

from modelyard_api.meta import TLS_CERTIFICATE_KEY
from modelyard_api.serving import AccessConfig, ServingConfig
from modelyard_api.v1alpha1 import Task

_CHAT = {"messages": [{"role": "user", "content": "What is a model?"}]}
_TEXT = {"text": "I love this."}
#: Of as many numbers as the model takes.
_TENSORS = {"inputs": [[1.0, 2.0, 3.0, 4.0]]}


def build_examples(config: ServingConfig, *, host: str, port: int) -> str:
    """Return what to type next."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - shown, not bound
    scheme = "https" if config.access.tls_path else "http"
    base = f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
    access = config.access
    question = _TENSORS if config.task is Task.PREDICT else _TEXT
    lines = [
        f"Serving {config.model_name!r} from {config.model_path}",
        "",
        "Once it is ready:",
        f"  curl {_trust(access)}{base}/readyz",
        f"  {_post(f'{base}/predict', question, access)}",
    ]
    for task, condition, path, body in (
        (Task.TEXT_GENERATION, "if it generates text", "/v1/chat/completions", _CHAT),
        (Task.EMBEDDINGS, "if it makes embeddings", "/v1/embeddings", {"input": "I love this."}),
    ):
        if config.task is Task.AUTO:
            lines.append(f"  # {condition}:")
        if config.task in {Task.AUTO, task}:
            asked = {"model": config.model_name, **body}
            lines.append(f"  {_post(base + path, asked, access)}")
    return "\n".join([*lines, ""])


def _trust(access: AccessConfig) -> str:
    """Return curl's option for a certificate that no authority may have signed."""
    if not access.tls_path:
        return ""
    return f"--cacert {shlex.quote(f'{access.tls_path}/{TLS_CERTIFICATE_KEY}')} "


def _post(url: str, body: Mapping[str, object], access: AccessConfig) -> str:
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    key = '-H "Authorization: Bearer $MODELYARD_API_KEY" ' if access.keys_path else ""
    return f"curl {_trust(access)}{url} {key}-H 'Content-Type: application/json' -d {data}"
