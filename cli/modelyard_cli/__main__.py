"""`modelyard`: read the arguments, run the command, say plainly what went wrong."""

import argparse
import sys
from collections.abc import Sequence

from modelyard_cli import key, serve
from modelyard_cli.errors import CommandFailed

_EPILOG = """\
Without Kubernetes:
  modelyard serve DIR      serve a model folder on this machine
  modelyard key            make an API key for --keys, or for spec.access.keysSecretRef

With Kubernetes, a model is an object; the operator does the rest:
  kubectl apply -f model.yaml
  kubectl get modeldeployments.modelyard.dev
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except CommandFailed as failure:
        print(f"modelyard: {failure.message}", file=sys.stderr)
        if failure.cure:
            print(f"  {failure.cure}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="modelyard",
        description="Models as a service.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve.add_command(commands)
    key.add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
