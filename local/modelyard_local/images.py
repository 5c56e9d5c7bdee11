"""Images: ours from their Dockerfiles, models as images, and both into a cluster's node. Nothing unchanged is done again."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from . import buildah, oci, recipes, requirements, state
from .buildah import Buildah
from .clusters import Cluster
from .containerd import Containerd
from .errors import LocalError
from .locks import exclusive
from .oci import Layout
from .paths import REPOSITORY, cache_root
from .progress import Pulse, Report
from .recipes import Names, Recipe
from .registry_settings import read_settings

_KEPT = 3  # code images of one name: what runs, what ran before, what is being tried


def build(name: str, *, on_progress: Report = print) -> str:
    """Build the operator's or the runtime's image if its content changed; returns its reference."""
    recipe = recipes.find_recipe(name)
    base = os.environ.get("MODELYARD_BASE_IMAGE")  # for machines with a registry, e.g. python:3.13-slim
    names = recipes.build_names(recipe, REPOSITORY, base)
    layout = oci.open_layout()
    with _locked(on_progress):
        if layout.find(names.code) is None:
            requirements.ensure("images", builds=True, report=on_progress)
            tool = buildah.open_buildah(on_progress)
            _build_deps(tool, recipe, names, ours=base is None)
            _build_code(tool, layout, recipe, names)
            tool.remove(recipes.find_old(tool.references(), _name_of(names.deps), 1))
            tool.remove(recipes.find_old(tool.references(), _name_of(names.code), _KEPT))
            _forget_old(layout, names.code)
    return names.code


def build_model(folder: Path, name: str, *, on_progress: Report = print) -> str:
    """A model folder as an image, to be mounted as an image volume; returns its reference.

    The same bytes as `FROM scratch` with `COPY . /` would give, without three copies of the weights on the way.
    """
    if not folder.is_dir():
        raise LocalError(f"{folder} is no folder; give the folder that holds the model's files")
    layout = oci.open_layout()
    with _locked(on_progress):
        pulse = Pulse(f"packing model {name}", on_progress)
        layer = layout.add_folder(folder)
        reference = f"localhost/models/{name}:{layer.hex[:16]}"
        layout.name(reference, layout.add_image(layer, {}))
        _forget_old(layout, reference)
        pulse.end()
    return reference


def load(cluster: Cluster, *references: str, on_progress: Report = print) -> None:
    """Make images known to the cluster's node; those that it has are skipped."""
    layout, node = oci.open_layout(), _find_containerd(cluster)
    present = node.references()
    for reference in references:
        image = layout.get(reference)
        if present.get(reference) != image.manifest.digest:
            pulse = Pulse(f"loading {reference}", on_progress)
            node.load(layout, image)
            pulse.end()
    families = {_name_of(reference) for reference in references}
    node.forget([old for old in present if _name_of(old) in families and layout.find(old) is None])


def _build_deps(tool: Buildah, recipe: Recipe, names: Names, *, ours: bool) -> None:
    if tool.has(names.deps):
        return
    if ours and not tool.has(names.base):
        tool.build_base(names.base)
    tool.build(
        f"installing the {recipe.name}'s dependencies",
        recipe.dockerfile,
        names.deps,
        arguments={"BASE_IMAGE": names.base},
        target="deps",
        settings=read_settings(buildah.find_uv_cache()),
    )


def _build_code(tool: Buildah, layout: Layout, recipe: Recipe, names: Names) -> None:
    arguments = {"BASE_IMAGE": names.base, "DEPS_IMAGE": names.deps}
    tool.build(f"building the {recipe.name} image", recipe.dockerfile, names.code, arguments=arguments)
    layout.name(names.code, tool.store(names.code, layout.folder))


def _forget_old(layout: Layout, current: str) -> None:
    layout.forget(recipes.find_old(layout.references(), _name_of(current), _KEPT))


def _name_of(reference: str) -> str:
    return reference.rpartition(":")[0]


def _locked(report: Report) -> AbstractContextManager[None]:
    return exclusive(cache_root() / "images/.lock", waiting=lambda: report("another process builds images; waiting …"))


def _find_containerd(cluster: Cluster) -> Containerd:
    files = state.files_of(cluster.name)
    record = state.read(files)
    for process in record.processes if record else ():
        if process.name == "containerd":
            return Containerd(process, cluster.bin, files)
    raise LocalError(
        f"cluster {cluster.name!r} has no real node to load images into; start it: modelyard_local up {cluster.name}"
    )
