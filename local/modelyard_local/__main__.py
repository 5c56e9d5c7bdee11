"""The command line: `python -m modelyard_local COMMAND`."""

import argparse
import sys
from collections.abc import Sequence

from . import clusters, programs
from .control_plane import Options
from .errors import LocalError
from .shell import format_exports

_EPILOG = """\
a first walk:
  python -m modelyard_local up dev               a cluster with a real node (the first time builds programs: minutes)
  eval "$(python -m modelyard_local env dev)"    kubectl and helm of that cluster in this shell
  kubectl get nodes
  python -m modelyard_local down dev             leaves nothing but its images; --purge removes those too

Everything lies under $MODELYARD_CACHE (default: ~/.cache/modelyard). MODELYARD_INSTALL=no never installs a package.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """All commands and what they say about themselves."""
    parser = argparse.ArgumentParser(
        prog="python -m modelyard_local",
        description="A real Kubernetes on this machine, without Docker (with it: kind).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_cluster_commands(commands)
    return parser


def add_cluster_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """up, down, env, programs."""
    up = commands.add_parser("up", help="bring a cluster up (at once if it runs already)")
    up.add_argument("name")
    up.add_argument("--node", action=argparse.BooleanOptionalAction, default=True, help="with a real node (default)")
    up.add_argument("--audit", action="store_true", help="write an audit log: logs/audit.log")
    up.add_argument("--no-api-limits", action="store_true", help="no priority and fairness, no client rate limits")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end a cluster; its images and logs stay")
    down.add_argument("name")
    down.add_argument("--purge", action="store_true", help="remove its images and logs as well")
    down.set_defaults(run=lambda a: clusters.down(a.name, a.purge))
    env = commands.add_parser("env", help='shell lines for a cluster: eval "$(… env NAME)"')
    env.add_argument("name")
    env.set_defaults(run=lambda a: print(format_exports(clusters.find(a.name))))
    build = commands.add_parser("programs", help="build the pinned programs without starting anything")
    build.add_argument("groups", nargs="*", default=list(programs.EVERYDAY), help=f"of: {', '.join(programs.GROUPS)}")
    build.set_defaults(run=lambda a: print(programs.ensure(*a.groups)))


def _up(arguments: argparse.Namespace) -> None:
    options = Options(audit=arguments.audit, api_limits=not arguments.no_api_limits)
    cluster = clusters.up(arguments.name, node=arguments.node, options=options)
    print(f'cluster {cluster.name} at {cluster.api_server}; next: eval "$(python -m modelyard_local env {cluster.name})"')


if __name__ == "__main__":
    sys.exit(main())
