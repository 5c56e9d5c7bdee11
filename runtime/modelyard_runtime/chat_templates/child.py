"""`python -m modelyard_runtime.chat_templates.child`: renders chats for its parent, under bounds.

A template is a program that came with the model. It can loop for ever, or multiply texts until
memory ends, by dozens of operators, filters and methods; only the kernel bounds them all.
"""

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from jinja2 import Template, TemplateSyntaxError
from jinja2.exceptions import SecurityError

from modelyard_runtime.chat_templates.environment import compile_template
from modelyard_runtime.chat_templates.wire import (
    CPU_SECONDS,
    EXIT_NO_MEMORY,
    MEMORY_BYTES,
    PREFACE_CHARACTERS,
    TEXT_FACTOR,
    Outcome,
    write_line,
)

_MAX_REASON = 400


def main() -> None:
    """Answer line after line until the parent is gone."""
    bound_memory()
    with os.fdopen(0, "rb") as requests, os.fdopen(1, "wb") as answers:
        try:
            _serve(requests, answers)
        except MemoryError:
            # Whatever is left of the template's work goes with the process.
            os._exit(EXIT_NO_MEMORY)


def bound_memory() -> None:
    """Let this process have no more than MEMORY_BYTES on top of what it has, and write no files."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    for kind, limit in {
        resource.RLIMIT_AS: most,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }.items():
        resource.setrlimit(kind, (limit, limit))


@contextmanager
def bounded_time() -> Iterator[None]:
    """Let the kernel end this process if what is inside takes CPU_SECONDS of processor time."""
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    first = json.loads(requests.readline())
    with bounded_time():
        template = _compile(first["template"])
    if isinstance(template, str):
        _answer(answers, Outcome.BROKEN, template)
        return
    _answer(answers, Outcome.TEXT, "")
    for line in requests:
        with bounded_time():
            outcome, text = _render(template, {**first["variables"], "messages": json.loads(line)})
        if len(text) > TEXT_FACTOR * len(line) + PREFACE_CHARACTERS:
            outcome, text = Outcome.TOO_LONG, f"{len(text)} characters"
        _answer(answers, outcome, text)


def _compile(source: str) -> Template | str:
    """Return the template, or what is wrong with it."""
    try:
        return compile_template(source)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {_excerpt(error)}"
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - Jinja runs constant expressions as it compiles
        return _excerpt(error)


def _render(template: Template, given: dict[str, Any]) -> tuple[Outcome, str]:
    """Return the text of the chat, with the beginning of the model's answer, or why not."""
    try:
        # As transformers calls templates.
        text = template.render(tools=None, documents=None, add_generation_prompt=True, **given)
        text.encode()
    except SecurityError as error:
        return Outcome.UNSAFE, _excerpt(error)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a template can raise whatever Python can
        return Outcome.REFUSED, _excerpt(error)
    return Outcome.TEXT, text


def _excerpt(error: Exception) -> str:
    # The message can be of the template's making: without half characters, and short.
    message = str(error)[:_MAX_REASON].encode(errors="replace").decode()
    return message or type(error).__name__


def _answer(answers: BinaryIO, outcome: Outcome, text: str) -> None:
    answers.write(write_line({outcome: text}))
    answers.flush()


if __name__ == "__main__":
    main()
