"""What a person at a terminal may type next: a request that this very model answers. Pure."""

import json
import shlex
from typing import Any

from modelyard_api.meta import TLS_CERTIFICATE_KEY
from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.engine.base import BatchEngine, GenerationEngine
from modelyard_runtime.examples import build_examples
from modelyard_runtime.protocols.openai.routes import CHAT, COMPLETIONS, EMBEDDINGS
from modelyard_runtime.protocols.predict.routes import PREDICT
from modelyard_runtime.tasks.media import Media
from modelyard_runtime.tasks.table import SPECS

#: The first of these that the model answers is the one to try.
_PATHS = {
    Task.TEXT_GENERATION: (CHAT, COMPLETIONS),
    Task.EMBEDDINGS: (EMBEDDINGS,),
}
#: What a file of the field may be called.
_FILES = {"image": "picture.jpg", "audio": "speech.wav"}
#: Longer ones are no use in a terminal.
_MAX_LETTERS = 2000
#: Addresses to listen at that are none to ask at.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown, not bound


def suggest(
    engine: GenerationEngine | BatchEngine, config: ServingConfig, *, host: str, port: int
) -> str:
    """Return a command that asks the model; empty, if none could be typed."""
    task = engine.info.task
    examples = build_examples(engine, config.model_name)
    path = next(path for path in (*_PATHS.get(task, ()), PREDICT) if examples[path] is not None)
    shown = _EVERYWHERE.get(host, host)
    address = f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"
    scheme = "https" if config.access.tls_path else "http"
    media = SPECS[task].media
    if not examples[path]:
        return ""
    body = _write_json(examples[path]) if media is None else _write_form(examples[path], media)
    command = f"curl {_write_access(config)}{scheme}://{address}{path} {body}"
    return command if len(command) <= _MAX_LETTERS else ""


def _write_access(config: ServingConfig) -> str:
    written = ""
    if config.access.tls_path:  # no authority may have signed it
        certificate = f"{config.access.tls_path}/{TLS_CERTIFICATE_KEY}"
        written += f"--cacert {shlex.quote(certificate)} "
    if config.access.keys_path:
        written += '-H "Authorization: Bearer $MODELYARD_API_KEY" '
    return written


def _write_json(body: Any) -> str:
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"-H 'Content-Type: application/json' -d {data}"


def _write_form(body: dict[str, Any], media: Media) -> str:
    fields = {**body, media.field: f"@{_FILES[media.field]}"}
    return " ".join(f"-F {shlex.quote(f'{name}={value}')}" for name, value in fields.items())
