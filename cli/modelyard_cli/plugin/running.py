"""The three commands, joined: connect, read, render, print."""

import argparse
import os
import shutil
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.asking import ask
from modelyard_cli.plugin.entry import KEY_VARIABLE, form_entry
from modelyard_cli.plugin.explain_screen import render_explanation
from modelyard_cli.plugin.forwarding import Reach
from modelyard_cli.plugin.ls_screen import render_json, render_table
from modelyard_cli.plugin.question import Question, form_other, form_question
from modelyard_cli.plugin.reading import read_model, read_models, read_picture
from modelyard_cli.plugin.text import Paint
from modelyard_kube.client import KubeClient
from modelyard_kube.errors import ConnectionInvalid

_USER_AGENT: Final = "kubectl-modelyard"
_NARROWEST, _WIDEST = 40, 120


class WrongUsage(CommandFailed):
    """The arguments do not fit together."""


def prepare(options: argparse.Namespace) -> Coroutine[Any, Any, None]:
    """Return the work to be done.

    Raises:
        WrongUsage: the arguments do not fit together.
    """
    if options.command == "ls":
        return _list(options)
    if options.command == "explain":
        return _explain(options)
    return _try(options, *_read_inputs(options))


def find_kubeconfig(given: str, environment: Mapping[str, str], home: Path) -> str:
    """Return the kubeconfig that kubectl would read; empty means the pod's service account.

    Raises:
        CommandFailed: there is neither.
    """
    usual = home / ".kube" / "config"
    found = given or environment.get("KUBECONFIG", "") or (str(usual) if usual.exists() else "")
    if not found and "KUBERNETES_SERVICE_HOST" not in environment:
        raise CommandFailed(
            f"there is no kubeconfig: neither $KUBECONFIG nor {usual}", cure="Give --kubeconfig."
        )
    return found


@asynccontextmanager
async def _connected(options: argparse.Namespace) -> AsyncIterator[KubeClient]:
    kubeconfig = find_kubeconfig(options.kubeconfig, os.environ, Path.home())
    try:
        client = await KubeClient.connect(
            kubeconfig, user_agent=_USER_AGENT, context=options.context
        )
    except ConnectionInvalid as error:
        raise CommandFailed(
            str(error), cure="Look at `kubectl config view` and `kubectl config get-contexts`."
        ) from error
    try:
        yield client
    finally:
        await client.close()


async def _list(options: argparse.Namespace) -> None:
    async with _connected(options) as client:
        namespace = options.namespace or client.namespace
        models = await read_models(client, None if options.all_namespaces else namespace)
    now = datetime.now(UTC)
    if options.output == "json":
        print(render_json(models, now), end="")
    elif not models:
        where = "this cluster" if options.all_namespaces else f"namespace {namespace}"
        print(f"There are no ModelDeployments in {where}.", file=sys.stderr)
    else:
        columns = _read_columns() if sys.stdout.isatty() else None
        across = options.all_namespaces
        print(render_table(models, now, across=across, columns=columns, paint=_paint()), end="")


async def _explain(options: argparse.Namespace) -> None:
    async with _connected(options) as client:
        model = await read_model(client, options.namespace or client.namespace, options.name)
        picture = await read_picture(client, model, with_log=options.logs)
    columns = min(max(_read_columns(), _NARROWEST), _WIDEST)
    now = datetime.now(UTC)
    print(render_explanation(picture, now, columns=columns, paint=_paint()), end="")


async def _try(options: argparse.Namespace, text: str, other: Question | None) -> None:
    async with _connected(options) as client:
        model = await read_model(client, options.namespace or client.namespace, options.name)
    question = other or form_question(
        model.task, model.status.model_name or model.name, text, is_raw=options.raw
    )
    key = options.key or os.environ.get(KEY_VARIABLE, "")
    entry = form_entry(model, key=key, authority=options.ca)
    reach = Reach(options.kubeconfig, options.context)
    await ask(model, question, reach, entry, silence_seconds=options.timeout)


def _read_inputs(options: argparse.Namespace) -> tuple[str, Question | None]:
    """Return the text, or the question that --path and --body make."""
    if options.path is None:
        if options.body is not None:
            raise WrongUsage("--body needs a route to post it to", cure="Add --path.")
        if options.text is None:
            raise WrongUsage("there is nothing to ask", cure='Give TEXT, "-" for stdin, or --path.')
        return _read_text(options.text), None
    if options.text is not None:
        raise WrongUsage("TEXT and --path exclude each other", cure="Give one of them.")
    if not options.path.startswith("/"):
        raise WrongUsage("--path begins with a slash", cure=f"Write --path /{options.path}.")
    body = _read_text(options.body) if options.body is not None else None
    try:
        return "", form_other(options.path, body)
    except ValueError as error:
        raise WrongUsage(f"--body is no JSON: {error}", cure="Put it in single quotes.") from error


def _read_text(given: str) -> str:
    if given != "-":
        text = given
    else:
        try:
            text = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise WrongUsage("what came on stdin is no UTF-8", cure="Convert it first.") from error
    if not text.strip():
        raise WrongUsage("the text is empty", cure="Write some.")
    return text


def _read_columns() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def _paint() -> Paint:
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Paint(sys.stdout.isatty() and not is_plain)
