"""Renders chats in a child process, which is started again when a template has cost its life."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from modelyard_runtime.chat_templates.wire import (
    CPU_SECONDS,
    EXIT_NO_MEMORY,
    MEMORY_BYTES,
    Outcome,
    write_line,
)

#: Until the child answers at all. It bounds its own processor time; this is for a machine so busy
#: that the child does not get any.
_PATIENCE_SECONDS = 60.0
_CLOSES_WITHIN_SECONDS = 5.0
#: What the child gets of our environment: no key, no token, only what Python and clocks go by.
_ENVIRONMENT = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "TZ")
#: -P: the current folder, which may be the model's, is no place to import from.
_COMMAND = (sys.executable, "-P", "-m", "modelyard_runtime.chat_templates.child")


class RenderingError(Exception):
    """Base of what goes wrong; the message is a sentence about the template."""


class ChatRefused(RenderingError):
    """The template raised an error for this chat."""


class TemplateBroken(RenderingError):
    """The template is not Jinja, so it renders no chat."""


class TemplateUnsafe(RenderingError):
    """The template reached for Python's internals, or passed its bounds."""


class Renderer:
    """One template. For one thread at a time; `close` ends the child."""

    def __init__(self, template: str, variables: Mapping[str, Any]) -> None:
        self._setup = write_line({"template": template, "variables": dict(variables)})
        self._child: subprocess.Popen[bytes] | None = None

    def render(self, chat: Sequence[Mapping[str, str]]) -> str:
        """Return the chat's text, up to where the model goes on.

        Raises:
            RenderingError: of one of the three kinds.
        """
        line = write_line(chat)
        child = self._child
        if child is None or child.poll() is not None:
            self.close()
            child = self._child = self._start()
        return self._ask(child, line)

    def close(self) -> None:
        """End the child. Harmless without one."""
        child, self._child = self._child, None
        if child is None:
            return
        _end(child)

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(  # noqa: S603 - a command of our own
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            # What stops the parent from a terminal is not for the child, which ends with it.
            start_new_session=True,
        )
        try:
            self._ask(child, self._setup)
        except RenderingError:
            _end(child)
            raise
        return child

    def _ask(self, child: subprocess.Popen[bytes], line: bytes) -> str:
        answer = _exchange(child, line)
        if not answer.endswith(b"\n"):
            raise _explain_end(child)
        ((outcome, text),) = json.loads(answer).items()
        match Outcome(outcome):
            case Outcome.TEXT:
                return str(text)
            case Outcome.REFUSED:
                raise ChatRefused(f"the model's chat template refuses these messages: {text}")
            case Outcome.BROKEN:
                raise TemplateBroken(f"the model's chat template is not valid Jinja: {text}")
            case Outcome.UNSAFE:
                raise TemplateUnsafe(f"the model's chat template does what none may do: {text}")
            case Outcome.TOO_LONG:
                raise TemplateUnsafe(
                    f"the model's chat template makes far too long a text of these messages: {text}"
                )


def _exchange(child: subprocess.Popen[bytes], line: bytes) -> bytes:
    """Send a line and return the answer; what is not a whole line says that the child has ended."""
    assert child.stdin is not None and child.stdout is not None, "made with both"  # noqa: S101, PT018
    with suppress(BrokenPipeError):
        child.stdin.write(line)
        child.stdin.flush()
    waiting = select.poll()
    waiting.register(child.stdout, select.POLLIN)
    if not waiting.poll(_PATIENCE_SECONDS * 1000):
        child.kill()
    return child.stdout.readline()


def _explain_end(child: subprocess.Popen[bytes]) -> TemplateUnsafe:
    _end(child)
    if child.returncode == -signal.SIGPROF:
        problem = f"takes more than {CPU_SECONDS:g} s of processor time for these messages"
    elif child.returncode == EXIT_NO_MEMORY:
        problem = f"takes more than {MEMORY_BYTES // 1024**2} MiB of memory for these messages"
    else:
        problem = f"ended the process that renders it (exit status {child.returncode})"
    return TemplateUnsafe(f"the model's chat template {problem}")


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let the child end by itself, now that nothing more will come, or else end it."""
    assert child.stdin is not None and child.stdout is not None, "made with both"  # noqa: S101, PT018
    with suppress(BrokenPipeError):
        child.stdin.close()
    try:
        child.wait(_CLOSES_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()
