"""Images: ours from their Dockerfiles, models as images, and both into a cluster's node."""

import os
from pathlib import Path

from . import buildah, kind, oci, recipes, requirements, state
from .buildah import Buildah
from .clusters import Cluster
from .containerd import Containerd
from .errors import LocalError
from .oci import Layout
from .paths import REPOSITORY
from .progress import Report, pulsing
from .recipes import Names, Recipe
from .registry_settings import read_settings

_KEPT = 3  # code images of one name: what runs, what ran before, what is being tried


def build(name: str, *, on_progress: Report = print) -> str:
    """Build the operator's or the runtime's image if its content changed; returns its reference."""
    recipe = recipes.find_recipe(name)
    # For machines with a registry, e.g. python:3.13-slim.
    base = os.environ.get("MODELYARD_BASE_IMAGE")
    names = recipes.build_names(recipe, REPOSITORY, base)
    if kind.is_available():
        kind.build(recipe, names, base, on_progress)
        return names.code
    layout = oci.open_layout()
    with layout.locked(on_progress):
        if layout.find(names.code) is None:
            requirements.ensure("images", builds=False, report=on_progress)
            tool = buildah.open_buildah(on_progress)
            if not tool.has(names.deps):
                requirements.ensure("images", builds=True, report=on_progress)
                _build_deps(tool, recipe, names, ours=base is None)
            _build_code(tool, layout, recipe, names)
            size = sum(layer.size for layer in layout.get(names.code).layers)
            on_progress(f"{names.code}: {size / 1e9:.2f} GB")
            _forget_old(layout, names.code)
            tool.remove([old for old in tool.references() if _is_done_with(old, layout, names)])
    return names.code


def build_model(folder: Path, name: str, *, on_progress: Report = print) -> str:
    """A model folder as an image, to be mounted as an image volume; returns its reference.

    The same bytes as `FROM scratch` with `COPY . /` would give, without three copies of the weights
    on the way.
    """
    if not folder.is_dir():
        raise LocalError(f"{folder} is no folder; give the folder that holds the model's files")
    layout = oci.open_layout()
    with layout.locked(on_progress), pulsing(f"packing model {name}", on_progress):
        layer = layout.add_folder(folder)
        reference = f"localhost/models/{name}:{layer.hex[:16]}"
        layout.name(reference, layout.add_image(layer, {}))
        if kind.is_available():
            kind.build_model(folder, reference)
        _forget_old(layout, reference)
    return reference


def is_kept(reference: str) -> bool:
    """Whether an image that was built here before is still there in full."""
    return not kind.is_available() and oci.open_layout().find(reference) is not None


def load(cluster: Cluster, *references: str, on_progress: Report = print) -> None:
    """Make images known to the cluster's node; those that it has are skipped."""
    record = state.read(state.files_of(cluster.name))
    if record and record.engine == "kind":
        kind.load(cluster.name, references)
        return
    layout, node = oci.open_layout(), _find_containerd(cluster)
    present = node.references()
    for reference in references:
        image = layout.get(reference)
        if present.get(reference) != image.manifest.digest or node.find_missing(image):
            with pulsing(f"loading {reference} into cluster {cluster.name}", on_progress):
                node.load(layout, image)
    names = {recipes.name_of(reference) for reference in references}
    node.forget(
        [old for old in present if recipes.name_of(old) in names and layout.find(old) is None]
    )


def _build_deps(tool: Buildah, recipe: Recipe, names: Names, *, ours: bool) -> None:
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
    tool.build(
        f"building the {recipe.name} image", recipe.dockerfile, names.code, arguments=arguments
    )
    layout.name(names.code, tool.store(names.code, layout.folder))


def _forget_old(layout: Layout, current: str) -> None:
    """Keep the newest few of a name, on the same layers below: others hold gigabytes."""
    below = layout.get(current).layers[:-1]
    same = [
        each for each in layout.references() if recipes.name_of(each) == recipes.name_of(current)
    ]
    images = {reference: layout.find(reference) for reference in same}
    kept = [
        reference for reference, image in images.items() if image and image.layers[:-1] == below
    ][:_KEPT]
    layout.forget(reference for reference in same if reference not in kept)


def _is_done_with(reference: str, layout: Layout, names: Names) -> bool:
    """Whether buildah may forget an image: forgotten code, dependencies of another lock."""
    name = recipes.name_of(reference)
    if name == recipes.name_of(names.code):
        return layout.find(reference) is None
    return name == recipes.name_of(names.deps) and reference != names.deps


def _find_containerd(cluster: Cluster) -> Containerd:
    files = state.files_of(cluster.name)
    record = state.read(files)
    for process in record.processes if record else ():
        if process.name == "containerd":
            return Containerd(process, cluster.bin, files)
    raise LocalError(
        f"cluster {cluster.name!r} has no real node to load images into; "
        f"start it: python -m modelyard_local up {cluster.name}"
    )
