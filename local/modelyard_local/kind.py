"""The cluster on machines with a Docker engine: kind, built from its pinned module.

Not run where this was written: no
Docker engine was to be had there; its configuration is checked against kind's own types (see
tests).

Two things differ from a cluster run directly: the host reaches Services by port-forward only, and
there is no kwok.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import programs
from .errors import CommandFailed
from .paths import REPOSITORY, cache_root
from .progress import Report, run_logged
from .recipes import Names, Recipe
from .registry_settings import read_settings
from .state import Files

GROUPS = ("kind", "kubectl", "helm")


def is_available() -> bool:
    """Whether a Docker engine answers; MODELYARD_ENGINE=machine declines it."""
    if os.environ.get("MODELYARD_ENGINE") == "machine" or not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def up(files: Files, report: Report) -> None:
    """Create the cluster, or leave the one that runs."""
    if files.name in _kind("get", "clusters").split():
        _kind("export", "kubeconfig", "--name", files.name, "--kubeconfig", str(files.kubeconfig))
        return
    files.folder.mkdir(parents=True, exist_ok=True)
    options = ["--name", files.name, "--config", str(REPOSITORY / "kind-config.yaml")]
    options += ["--kubeconfig", str(files.kubeconfig), "--wait", "180s"]
    program = programs.ensure(*GROUPS, report=report) / "kind"
    log = files.logs / "kind.log"
    run_logged(
        [str(program), "create", "cluster", *options],
        title="creating the kind cluster",
        log=log,
        report=report,
    )


def down(files: Files) -> None:
    """Delete the cluster."""
    _kind("delete", "cluster", "--name", files.name, "--kubeconfig", str(files.kubeconfig))


def read_addresses(name: str) -> tuple[str, str]:
    """The node's address and the host's on Docker's network."""
    shown = _run("docker", "inspect", f"{name}-control-plane")
    network = json.loads(shown)[0]["NetworkSettings"]["Networks"]["kind"]
    return network["IPAddress"], network["Gateway"]


def build(recipe: Recipe, names: Names, base_image: str | None, report: Report) -> None:
    """Build an image with Docker, whose own cache keeps the layers."""
    with tempfile.TemporaryDirectory() as text:
        settings = Path(text, "build-env")
        settings.touch(mode=0o600)
        settings.write_text(read_settings(cache_root() / "uv").proxy_lines)
        options = ["--file", str(REPOSITORY / recipe.dockerfile), "--tag", names.code]
        options += [f"--secret=id=build-env,src={settings}"]
        options += [f"--build-arg=BASE_IMAGE={base_image}"] if base_image else []
        log = cache_root() / f"logs/image-{recipe.name}.log"
        title = f"building the {recipe.name} image"
        run_logged(
            ["docker", "build", *options, str(REPOSITORY)], title=title, log=log, report=report
        )


def build_model(folder: Path, reference: str) -> None:
    """A model folder as an image."""
    _run(
        "docker",
        "build",
        "--tag",
        reference,
        "--file",
        "-",
        str(folder),
        text="FROM scratch\nCOPY . /\n",
    )


def load(name: str, references: tuple[str, ...]) -> None:
    """Copy images into the node; kind skips those that it has."""
    _kind("load", "docker-image", "--name", name, *references)


def _kind(*arguments: str) -> str:
    return _run(str(programs.ensure(*GROUPS) / "kind"), *arguments)


def _run(*argv: str, text: str | None = None) -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(" ".join(argv), done.returncode, done.stderr)
    return done.stdout
