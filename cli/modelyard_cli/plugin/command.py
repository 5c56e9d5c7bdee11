"""`kubectl modelyard`: reads the arguments, runs the command, says in one line what went wrong."""

import argparse
import asyncio
import importlib
import logging
import os
import re
import signal
import sys
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.text import clean

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no other name

_PROGRAM: Final = "kubectl modelyard"
_REFUSED, _WRONG_USAGE, _INTERRUPTED = 1, 2, 130
_SIGNALLED: Final = 128
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")

_EPILOG = """\
examples:
  kubectl modelyard ls                         the models of this namespace, and what is wrong
  kubectl modelyard explain qwen               one screen: why it is not ready, and what to do
  kubectl modelyard try qwen "Who are you?"    ask it, without an Ingress or a port of your own

exit codes: 0 fine, 1 the cluster or the model says no, 2 wrong usage, 130 interrupted
"""

_LS_EPILOG = """\
A model that is not ready has its reason in a line of its own. In a narrow terminal the columns
TASK and DEVICE give way.

examples:
  kubectl modelyard ls
  kubectl modelyard ls -A                                    all namespaces
  kubectl modelyard ls -o json | jq '.[] | select(.ready != "True") | .name'
"""

_EXPLAIN_EPILOG = """\
Joins the object's status, its children, pods and their events, and the log of the pod that fails.
What your account may not read is said in its place. The exit code is 0 also where the model is
not ready.

examples:
  kubectl modelyard explain qwen
  kubectl modelyard explain qwen -n team --logs    the newest pod's log, although nothing fails
"""

_TRY_EPILOG = """\
The route follows the model's task: a chat that streams, an embedding, or labels with scores. The
request goes through `kubectl port-forward` to the model's Service; it needs the right to create
pods/portforward.

examples:
  kubectl modelyard try qwen "What is the capital of France?"
  kubectl modelyard try minilm "A cat sits on the mat." --raw | jq '.data[0].embedding | length'
  cat letter.txt | kubectl modelyard try sentiment -
  kubectl modelyard try qwen -- "-5 degrees, is that cold?"
  kubectl modelyard try qwen --path /v1/models
  kubectl modelyard try qwen --path /v1/completions --body '{"prompt": "Once", "max_tokens": 9}'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot write a character gets a `?`
            stream.reconfigure(errors="replace")
    # Of libraries, what went wrong in a login program is worth a line, and nothing else.
    logging.basicConfig(format=f"{_PROGRAM}: %(message)s", level=logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        options = parse_options(arguments)
        code = _run(options)
        sys.stdout.flush()
    except CommandFailed as failure:
        return _tell(failure, _REFUSED)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # of `… | head`; Python would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _REFUSED
    except Exception as error:  # noqa: BLE001 - people get a line to report, and no traceback
        what = f"a fault of this program, {type(error).__name__}: {error}"
        return _tell(CommandFailed(what, cure="Please report it."), _REFUSED)
    return code


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments, read; wrong usage ends the program.

    Before Python 3.12, argparse takes an optional TEXT behind an option (`try qwen -n team hi`)
    for one too many.
    """
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    if options.command == "try" and options.text is None and rest:
        is_literal = rest[0] == "--"
        text, *rest = rest[is_literal:] or [""]
        if text.startswith("-") and text != "-" and not is_literal:
            rest = [text]
        options.text = text
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="What models do on this cluster, why, and what they answer.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    _add_ls(commands)
    _add_explain(commands)
    _add_try(commands)
    return parser


def _add_ls(commands: "Commands") -> None:
    parser = _add_command(commands, "ls", "list models, and why some are not ready", _LS_EPILOG)
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    parser.add_argument("-o", "--output", choices=["json"], help="for programs")


def _add_explain(commands: "Commands") -> None:
    parser = _add_command(commands, "explain", "one model, on one screen", _EXPLAIN_EPILOG)
    parser.add_argument("name", metavar="NAME", type=_parse_name, help="the ModelDeployment")
    parser.add_argument("--logs", action="store_true", help="a log also where nothing fails")


def _add_try(commands: "Commands") -> None:
    parser = _add_command(commands, "try", "ask a model", _TRY_EPILOG)
    parser.add_argument("name", metavar="NAME", type=_parse_name, help="the ModelDeployment")
    parser.add_argument(
        "text",
        metavar="TEXT",
        nargs="?",
        help="what to ask; - reads it from stdin; a JSON object is the body of /predict",
    )
    parser.add_argument("--raw", action="store_true", help="print the answer's JSON")
    parser.add_argument("--path", help="another route of the model, instead of TEXT")
    parser.add_argument(
        "--body", help="JSON to post there; - reads it from stdin; else it is a GET"
    )
    parser.add_argument(
        "--key",
        default="",
        help="API key, where the model asks for one (default: $MODELYARD_API_KEY)",
    )
    parser.add_argument(
        "--ca",
        default="",
        metavar="FILE",
        help="verify a model's certificate by these authorities (default: not, since the tunnel "
        "ends on this machine)",
    )
    parser.add_argument(
        "--timeout",
        type=_parse_seconds,
        default=300.0,
        metavar="SECONDS",
        help="give up after so long without a sign of the model (default: 300)",
    )


def _add_command(
    commands: "Commands", name: str, what: str, epilog: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-n", "--namespace", type=_parse_name, help="default: the context's")
    parser.add_argument("--context", default="", help="of the kubeconfig; default: the current one")
    parser.add_argument("--kubeconfig", default="", help="default: $KUBECONFIG or ~/.kube/config")
    return parser


def _parse_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of Kubernetes (a-z, 0-9, -)")
    return text


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _run(options: argparse.Namespace) -> int:
    try:
        # Here, so that --help answers at once, and a missing extra is told.
        running = importlib.import_module("modelyard_cli.plugin.running")
    except ModuleNotFoundError as error:
        missing = CommandFailed(
            f"{error.name} is not installed", cure="pip install 'modelyard[cli]'"
        )
        return _tell(missing, _REFUSED)
    try:
        work: Coroutine[Any, Any, None] = running.prepare(options)
    except running.WrongUsage as usage:
        return _tell(usage, _WRONG_USAGE)
    return asyncio.run(_run_until_told(work))


async def _run_until_told(work: Coroutine[Any, Any, None]) -> int:
    """Run to the end, or until a signal: then what was begun is undone first."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    caught: list[int] = []

    def stop(number: int) -> None:
        caught.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not caught:
            raise
        return _SIGNALLED + caught[0]
    return 0


def _tell(failure: CommandFailed, code: int) -> int:
    message = clean(failure.message).rstrip(".")
    print(f"{_PROGRAM}: {message}. {clean(failure.cure)}".rstrip(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
