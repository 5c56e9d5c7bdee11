"""The Jinja environment that chat templates are written for: what transformers gives them.

Nothing of transformers is imported, which would triple the memory of the process that renders.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Never

from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace


class Generation(Extension):
    """`{% generation %}` marks what the model says, for training; here it is only a scope."""

    tags = {"generation"}  # noqa: RUF012 - as the base class has it

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the statements inside."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class PlainNamespace(Namespace):
    """A namespace without private names, by which templates have left the sandbox."""

    # Jinja assigns `{% set ns.name = … %}` by item.
    def __setitem__(self, name: str, value: Any) -> None:
        """Refuse what begins with an underscore."""
        if name.startswith("_"):
            raise SecurityError(f"a namespace has no attribute {name!r} to set")
        super().__setitem__(name, value)


def compile_template(source: str) -> Template:
    """Return the template, in a sandbox.

    Raises:
        TemplateSyntaxError: it is not Jinja.
    """
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, LoopControlExtension]
    )
    environment.filters["tojson"] = _to_json
    environment.globals.update(_GLOBALS)
    return environment.from_string(source)


def _to_json(value: Any, ensure_ascii: bool = False, **layout: Any) -> str:  # noqa: FBT001, FBT002
    # Jinja's own escapes for HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, **layout)


def _raise_exception(message: str) -> Never:
    raise TemplateError(message)


def _format_now(layout: str) -> str:
    return datetime.now().astimezone().strftime(layout)


def _build_namespace(*args: Any, **kwargs: Any) -> PlainNamespace:
    namespace = PlainNamespace()
    for name, value in dict(*args, **kwargs).items():
        namespace[name] = value
    return namespace


def _build_dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    # A function: the type itself has more methods than a template should see.
    return dict(*args, **kwargs)


_GLOBALS: dict[str, Callable[..., Any]] = {
    "raise_exception": _raise_exception,
    "strftime_now": _format_now,
    "namespace": _build_namespace,
    "dict": _build_dict,
}
