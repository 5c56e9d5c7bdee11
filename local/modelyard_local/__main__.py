"""The command line: `python -m modelyard_local COMMAND`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from . import clusters, images, metrics_server, nodes, oci, programs
from .control_plane_config import Options
from .errors import LocalError
from .progress import to_stderr
from .recipes import RECIPES
from .shell import format_exports

_EPILOG = """\
a first walk:
  python -m modelyard_local up dev               a cluster with a real node
  eval "$(python -m modelyard_local env dev)"    kubectl and helm of that cluster in this shell
  kubectl get nodes
  python -m modelyard_local image build operator runtime --load dev
  python -m modelyard_local fake-node dev gpu-1 --gpu 8 --taint
  python -m modelyard_local metrics dev          kubectl top, HorizontalPodAutoscalers
  python -m modelyard_local down dev             leaves only images and logs; --purge not even those

The first `up` builds Kubernetes from its sources (minutes), the first `image build runtime`
installs torch (minutes, 20 GB of disk); after that both take seconds.

  MODELYARD_CACHE             where everything lies; default: ~/.cache/modelyard
  MODELYARD_INSTALL=no        list missing Debian packages instead of installing them
  MODELYARD_ENGINE=machine    run the programs directly although there is a Docker engine
  MODELYARD_BASE_IMAGE=IMAGE  build on this image instead of on a Debian made here
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    # A stop cleans up as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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
    add_image_commands(commands)
    add_node_commands(commands)
    return parser


def add_cluster_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """up, down, env, metrics, programs."""
    up = commands.add_parser("up", help="bring a cluster up (at once if it runs already)")
    up.add_argument("name")
    up.add_argument(
        "--node",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with a real node (default)",
    )
    up.add_argument("--audit", action="store_true", help="write an audit log: logs/audit.log")
    up.add_argument(
        "--no-api-limits",
        action="store_true",
        help="no priority and fairness, no client rate limits",
    )
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="end a cluster; its images and logs stay")
    down.add_argument("name")
    down.add_argument("--purge", action="store_true", help="remove its images and logs as well")
    down.set_defaults(run=lambda a: clusters.down(a.name, a.purge, on_progress=to_stderr))
    env = commands.add_parser("env", help='shell lines for a cluster: eval "$(… env NAME)"')
    env.add_argument("name")
    env.set_defaults(run=lambda a: print(format_exports(clusters.find(a.name))))
    metrics = commands.add_parser(
        "metrics", help="measure the pods of a cluster: kubectl top, HorizontalPodAutoscalers"
    )
    metrics.add_argument("name")
    metrics.set_defaults(run=lambda a: metrics_server.start(a.name))
    build = commands.add_parser(
        "programs", help="build the pinned programs without starting anything"
    )
    build.add_argument(
        "groups",
        nargs="*",
        default=list(programs.EVERYDAY),
        help=f"of: {', '.join(programs.GROUPS)}",
    )
    build.set_defaults(run=lambda a: print(programs.ensure(*a.groups, report=to_stderr)))
    shown = commands.add_parser("list", help="the clusters of this machine")
    shown.set_defaults(
        run=lambda _: print("\n".join(f"{name}: {how}" for name, how in clusters.read_names()))
    )


def add_image_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Image build, model, load, list."""
    image = commands.add_parser("image", help="build images and bring them into a cluster's node")
    kinds = image.add_subparsers(required=True, metavar="ACTION")
    build = kinds.add_parser(
        "build", help="build our images from their Dockerfiles; what is unchanged costs nothing"
    )
    build.add_argument("names", nargs="+", choices=sorted(RECIPES))
    model = kinds.add_parser(
        "model", help="pack a model folder as an image, for image volumes (oci://)"
    )
    model.add_argument("folder", type=Path)
    model.add_argument("name", help="localhost/models/NAME:<hash of the content>")
    for parser, run in ((build, _image_build), (model, _image_model)):
        parser.add_argument(
            "--load", metavar="CLUSTER", help="bring it into this cluster's node as well"
        )
        parser.set_defaults(run=run)
    load = kinds.add_parser(
        "load", help="bring images into a cluster's node; those it has are skipped"
    )
    load.add_argument("cluster")
    load.add_argument("references", nargs="+")
    load.set_defaults(run=lambda a: images.load(clusters.find(a.cluster), *a.references))
    shown = kinds.add_parser("list", help="the images that are built")
    shown.set_defaults(run=lambda _: print("\n".join(oci.open_layout().references())))


def add_node_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """fake-node and claim."""
    fake = commands.add_parser(
        "fake-node", help="add a node that kwok plays: its pods become Running and run nothing"
    )
    fake.add_argument("cluster")
    fake.add_argument("node")
    fake.add_argument("--gpu", type=int, default=0, metavar="N", help="how many GPUs it has")
    fake.add_argument(
        "--gpu-resource", default=nodes.GPU_RESOURCE, metavar="NAME", help="default: %(default)s"
    )
    fake.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    fake.add_argument(
        "--taint", action="store_true", help="only pods that tolerate kwok.x-k8s.io/node go there"
    )
    fake.set_defaults(run=_fake_node)
    claim = commands.add_parser(
        "claim", help="let the real node offer a resource, e.g. nvidia.com/gpu 1"
    )
    claim.add_argument("cluster")
    claim.add_argument("resource")
    claim.add_argument("count", type=int)
    claim.set_defaults(
        run=lambda a: nodes.claim_resource(clusters.find(a.cluster), a.resource, a.count)
    )


def _image_build(arguments: argparse.Namespace) -> None:
    _finish([images.build(name, on_progress=to_stderr) for name in arguments.names], arguments.load)


def _image_model(arguments: argparse.Namespace) -> None:
    _finish(
        [images.build_model(arguments.folder, arguments.name, on_progress=to_stderr)],
        arguments.load,
    )


def _finish(references: list[str], cluster: str | None) -> None:
    if cluster:
        images.load(clusters.find(cluster), *references, on_progress=to_stderr)
    print("\n".join(references))


def _fake_node(arguments: argparse.Namespace) -> None:
    if wrong := [label for label in arguments.label if "=" not in label]:
        raise LocalError(f"--label {wrong[0]!r} is not KEY=VALUE")
    nodes.add_fake_node(
        clusters.find(arguments.cluster),
        arguments.node,
        gpus=arguments.gpu,
        gpu_resource=arguments.gpu_resource,
        labels=dict(label.split("=", 1) for label in arguments.label),
        tainted=arguments.taint,
    )


def _up(arguments: argparse.Namespace) -> None:
    options = Options(audit=arguments.audit, api_limits=not arguments.no_api_limits)
    cluster = clusters.up(
        arguments.name, node=arguments.node, options=options, on_progress=to_stderr
    )
    print(
        f"cluster {cluster.name} at {cluster.api_server}; "
        f'next: eval "$(python -m modelyard_local env {cluster.name})"'
    )


if __name__ == "__main__":
    sys.exit(main())
