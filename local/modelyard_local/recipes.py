"""What our images are made of, and their names: hashes of all that goes in."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalError

REGISTRY = "localhost/modelyard"  # no registry: a name that nobody pulls

BASE_SUITE = "bookworm"
BASE_PACKAGES = ("ca-certificates", "python3", "python3-venv")


@dataclass(frozen=True)
class Recipe:
    """One image of ours, by the paths that its Dockerfile reads."""

    name: str
    dockerfile: str
    lock: str
    packages: tuple[str, ...]


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="operator",
            dockerfile="operator/Dockerfile",
            lock="requirements/operator.lock",
            packages=("crds/modelyard_api", "kube/modelyard_kube", "operator/modelyard_operator"),
        ),
        Recipe(
            name="runtime",
            dockerfile="runtime/Dockerfile",
            lock="requirements/runtime.lock",
            packages=("crds/modelyard_api", "runtime/modelyard_runtime"),
        ),
    )
}


@dataclass(frozen=True)
class Names:
    """The references of an image's three layers of work, each keyed by what it is made of."""

    base: str
    deps: str
    code: str


def find_recipe(name: str) -> Recipe:
    """The recipe of that name."""
    if name in RECIPES:
        return RECIPES[name]
    raise LocalError(f"no image is called {name!r}; there are: {', '.join(RECIPES)}")


def build_names(recipe: Recipe, root: Path, base_image: str | None) -> Names:
    """Read what goes in and name what comes out; `base_image` replaces our Debian."""
    base = (
        base_image
        or f"{REGISTRY}/base:{hash_parts(part.encode() for part in (BASE_SUITE, *BASE_PACKAGES))}"
    )
    first, last = split_stages(_read(root, recipe.dockerfile).decode())
    deps = hash_parts([base.encode(), first.encode(), _read(root, recipe.lock)])
    code = hash_parts([deps.encode(), last.encode(), *_read_packages(root, recipe.packages)])
    return Names(base, f"{REGISTRY}/{recipe.name}-deps:{deps}", f"{REGISTRY}/{recipe.name}:{code}")


def split_stages(dockerfile: str) -> tuple[str, str]:
    """The instructions of a Dockerfile before its last stage, and those of its last."""
    lines = [line for line in dockerfile.splitlines(keepends=True) if not line.startswith("#")]
    last = max(number for number, line in enumerate(lines) if line.startswith("FROM "))
    return "".join(lines[:last]), "".join(lines[last:])


def name_of(reference: str) -> str:
    """A reference without its tag."""
    return reference.rpartition(":")[0]


def hash_parts(parts: Iterable[bytes]) -> str:
    """A tag for content; parts do not run into one another."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def _read_packages(root: Path, packages: Iterable[str]) -> Iterable[bytes]:
    for package in packages:
        folder = root / package
        if not folder.is_dir():
            raise LocalError(
                f"{folder} does not exist, and the image needs it; is the checkout complete?"
            )
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(root)).encode()
                yield path.read_bytes()


def _read(root: Path, name: str) -> bytes:
    path = root / name
    if not path.exists():
        raise LocalError(
            f"{path} does not exist, and the image needs it; is the checkout complete?"
        )
    return path.read_bytes()
