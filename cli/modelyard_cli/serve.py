"""`modelyard serve DIR`: the runtime of a pod, on this machine, for one model folder."""

import argparse
import errno
import importlib.util
import os
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from modelyard_api.meta import CONFIG_VARIABLE, GRPC_PORT, INTERNAL_PORT, SERVING_PORT
from modelyard_api.serving import ServingConfig
from modelyard_api.v1alpha1 import DType, Format, Task, Verify
from modelyard_cli.access import add_access_options, read_access
from modelyard_cli.adapters import add_adapter_option, read_adapters
from modelyard_cli.errors import CommandFailed
from modelyard_cli.examples import build_examples
from modelyard_cli.optimizing import add_optimize_options, read_optimize

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no other name

_DESCRIPTION = """\
Serve the model in DIR on this machine, exactly as a pod would: no Kubernetes, no root, no network.

DIR is a folder as model hubs have it: config.json, tokenizer files and *.safetensors, or one *.gguf
file; or it holds one model of ONNX, Keras, TorchScript or torch.export, or weights and their class.
What the model does, and how the folder is written, is read from the folder; --task and --format are
for folders that leave it open.
"""

_EPILOG = """\
While it runs:
  http://HOST:PORT/v1/chat/completions, /v1/completions, /v1/embeddings   OpenAI's protocol
  http://HOST:PORT/predict                                                text in, answer out
  http://HOST:PORT/v2, gRPC at HOST:GRPC_PORT                             Open Inference Protocol
  http://HOST:PORT/docs                                                   all of it, in a browser
  http://HOST:PORT/readyz                                                 is it ready, or why not
  http://HOST:INTERNAL_PORT/metrics, /report                              for operators

Ctrl-C finishes what is running, then ends; a second Ctrl-C ends at once.

A check of the model, for --verify (what spec.update.verify of a ModelDeployment has, as JSON):
  {"request": {"path": "/predict", "body": {"text": "Lovely."}},
   "expect": [{"path": "$.label", "equals": "POSITIVE"},
              {"path": "$.score", "number": 0.95, "tolerance": 0.05},
              {"path": "$.label", "matches": "^POS"}],
   "timeout": "30s"}
Each path is a JSONPath (RFC 9535) of one value of the answer. If all hold, the model is served; if
not, the log names path, expected and actual value, and the exit code is 78.
"""

#: What the runtime needs beside itself; importing any of them here would cost seconds.
_NEEDED = ("modelyard_runtime", "fastapi", "torch", "transformers")


def add_command(commands: "Commands") -> None:
    """Add `serve` to the commands."""
    parser = commands.add_parser(
        "serve",
        help="serve a model folder on this machine",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the model's folder")
    parser.add_argument("--name", default="", help="what clients call it (default: DIR's name)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=SERVING_PORT, help="for clients (%(default)s)")
    parser.add_argument("--grpc-port", type=int, default=GRPC_PORT, help="gRPC (%(default)s)")
    parser.add_argument(
        "--internal-port",
        type=int,
        default=INTERNAL_PORT,
        help="for metrics and report (%(default)s)",
    )
    for option, kind in (("--task", Task), ("--format", Format), ("--dtype", DType)):
        values = [member.value for member in kind]
        parser.add_argument(
            option, choices=values, default="auto", help=f"{', '.join(values)} (default: auto)"
        )
    parser.add_argument(
        "--verify",
        metavar="FILE",
        type=Path,
        help="JSON: a request, and what the model must answer to it before it is served (below)",
    )
    add_adapter_option(parser)
    add_optimize_options(parser)
    _add_code_options(parser)
    add_access_options(parser)
    parser.set_defaults(run=run)


def _add_code_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="let the model bring code that this process runs: a class, TorchScript, torch.export",
    )
    parser.add_argument(
        "--entrypoint",
        default="",
        metavar="MODULE:CLASS",
        help="the class in DIR that the weights are for (format state-dict); needs --allow-code",
    )


def run(options: argparse.Namespace) -> None:
    """Check what can be checked here, then become the runtime.

    Raises:
        CommandFailed: something is missing or in the way.
    """
    folder = check_folder(options.folder)
    name = options.name or folder.name or "model"
    config = ServingConfig(
        model_name=name,
        model_path=str(folder),
        task=Task(options.task),
        format=Format(options.format),
        dtype=DType(options.dtype),
        optimize=read_optimize(options),
        entrypoint=options.entrypoint,
        allow_code=options.allow_code,
        verify=read_verify(options.verify) if options.verify is not None else None,
        access=read_access(options),
        adapters=read_adapters(options.adapters, model_name=name),
    )
    check_installed()
    for option in ("port", "grpc_port", "internal_port"):
        check_port(options.host, getattr(options, option), option=f"--{option.replace('_', '-')}")
    print(build_examples(config, host=options.host, port=options.port), flush=True)
    # -P keeps the current folder, which may be a model's, out of Python's path.
    command = [sys.executable, "-P", "-m", "modelyard_runtime"]
    os.execve(  # the runtime gets the terminal's signals itself
        sys.executable,
        command,
        build_environment(
            config,
            host=options.host,
            port=options.port,
            grpc_port=options.grpc_port,
            internal_port=options.internal_port,
        ),
    )


def check_folder(path: Path) -> Path:
    """Return the folder's absolute path.

    Raises:
        CommandFailed: it is not a folder that can be read and has something in it.
    """
    folder = path.expanduser().resolve()
    if not folder.exists():
        raise CommandFailed(
            f"there is no folder {str(path)!r}", cure=f"Looked for {shlex.quote(str(folder))}."
        )
    if not folder.is_dir():
        raise CommandFailed(
            f"{str(path)!r} is a file", cure=f"Give its folder: {shlex.quote(str(folder.parent))}"
        )
    try:
        is_empty = next(folder.iterdir(), None) is None
    except PermissionError:
        raise CommandFailed(
            f"{str(path)!r} cannot be read", cure=f"chmod -R u+rX {shlex.quote(str(folder))}"
        ) from None
    if is_empty:
        raise CommandFailed(
            f"{str(path)!r} is empty",
            cure="A model folder has config.json and *.safetensors, or a *.gguf file.",
        )
    return folder


def read_verify(path: Path) -> Verify:
    """Return the check of the model that a file declares.

    Raises:
        CommandFailed: it cannot be read, or declares none.
    """
    cure = "`modelyard serve --help` shows one."
    try:
        return Verify.model_validate_json(path.expanduser().read_bytes())
    except OSError as error:
        raise CommandFailed(
            f"--verify {str(path)!r} cannot be read: {error.strerror}", cure=cure
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        where = f"field {field!r} of it" if field else "it"
        raise CommandFailed(
            f"--verify {str(path)!r} declares no check: {where}: {first['msg']}", cure=cure
        ) from error


def check_installed() -> None:
    """Raise CommandFailed if the runtime is not installed here."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandFailed(
            f"serving needs {', '.join(missing)}, which is not installed",
            cure="pip install 'modelyard[runtime]'",
        )


def check_port(host: str, port: int, *, option: str) -> None:
    """Raise CommandFailed if the port cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandFailed(
                f"cannot listen on {host} port {port}: {_explain(error)}",
                cure=_cure(host, error, option=option),
            ) from error


def build_environment(
    config: ServingConfig, *, host: str, port: int, grpc_port: int, internal_port: int
) -> dict[str, str]:
    """Return this process's environment with the runtime's variables."""
    return {
        **os.environ,
        # Not encode_config: its doubled dollars are for the kubelet.
        CONFIG_VARIABLE: config.model_dump_json(by_alias=True, exclude_defaults=True),
        "MODELYARD_HOST": host,
        "MODELYARD_PORT": str(port),
        "MODELYARD_GRPC_PORT": str(grpc_port),
        "MODELYARD_INTERNAL_PORT": str(internal_port),
        "MODELYARD_LOG_FORMAT": "text",
        "MODELYARD_SUGGEST": "true",
        # Nobody balances over this process, so nobody needs time to notice its end.
        "MODELYARD_LAME_DUCK_SECONDS": "0",
        "MODELYARD_PARTING_SECONDS": "0",
    }


def _explain(error: OSError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return "ports go from 1 to 65535"
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return error.strerror or str(error)


def _cure(host: str, error: OSError | OverflowError, *, option: str) -> str:
    if isinstance(error, OSError) and error.errno not in {errno.EADDRINUSE, errno.EACCES}:
        return "Choose an address of this machine with --host, for example --host 127.0.0.1."
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        free = probe.getsockname()[1]
    return f"Choose another with {option}, for example {option} {free}."
