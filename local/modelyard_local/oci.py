"""A store of images in the OCI layout: blobs by digest, kept once, and names for manifests.

Layers are not compressed: compressing gigabytes of weights costs minutes and wins little.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

from .errors import LocalError
from .locks import exclusive
from .paths import cache_root
from .progress import Report

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Blob:
    """A blob, as manifests describe it."""

    mediaType: str  # noqa: N815 - as in the specification
    digest: str
    size: int

    @property
    def hex(self) -> str:
        """The digest without its kind, which is the blob's file name."""
        return self.digest.removeprefix("sha256:")


@dataclass(frozen=True)
class Image:
    """An image in the store."""

    reference: str
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All that belongs to it."""
        return (*self.layers, self.config, self.manifest)


@dataclass(frozen=True)
class Layout:
    """The store."""

    folder: Path

    @property
    def blobs(self) -> Path:
        """Blobs by digest."""
        return self.folder / "blobs/sha256"

    def path(self, blob: Blob) -> Path:
        """The file of a blob."""
        return self.blobs / blob.hex

    def locked(self, report: Report) -> AbstractContextManager[None]:
        """Held by whoever adds or forgets."""
        return exclusive(
            self.folder / ".lock",
            waiting=lambda: report("another process works on images; waiting …"),
        )

    def create(self) -> None:
        """Make an empty store, or leave the one that is there."""
        for folder in (self.blobs, self.folder / "names"):
            folder.mkdir(parents=True, exist_ok=True)
        mark = self.folder / "oci-layout"
        if not mark.exists():
            mark.write_text('{"imageLayoutVersion": "1.0.0"}')

    def add_bytes(self, data: bytes, media_type: str) -> Blob:
        """Keep a small blob."""
        return self.add(lambda file: file.write(data), media_type)

    def add(self, write: Callable[[BinaryIO], object], media_type: str) -> Blob:
        """Keep what `write` writes, under its digest."""
        fresh = self.blobs / f".new-{os.getpid()}"
        with fresh.open("wb") as file:
            hashing = _Hashing(file)
            write(hashing)  # type: ignore[arg-type]  # all that tarfile asks for is write()
        blob = Blob(media_type, f"sha256:{hashing.digest.hexdigest()}", fresh.stat().st_size)
        fresh.replace(self.path(blob))
        return blob

    def name(self, reference: str, digest: str) -> None:
        """Give a manifest a name."""
        (self.folder / "names" / quote(reference, safe="")).write_text(digest)

    def find(self, reference: str) -> Image | None:
        """The image of that name, if it is there in full."""
        try:
            digest = (self.folder / "names" / quote(reference, safe="")).read_text()
            data = (self.blobs / digest.removeprefix("sha256:")).read_bytes()
        except FileNotFoundError:
            return None
        manifest = json.loads(data)
        blob = Blob(_MANIFEST, digest, len(data))
        image = Image(
            reference, blob, _parse(manifest["config"]), tuple(map(_parse, manifest["layers"]))
        )
        return image if all(self.path(each).exists() for each in image.blobs) else None

    def get(self, reference: str) -> Image:
        """The image of that name."""
        if image := self.find(reference):
            return image
        known = ", ".join(self.references()) or "none"
        raise LocalError(f"no image {reference!r} in {self.folder}; there are: {known}")

    def references(self) -> list[str]:
        """The names of all images, the newest first."""
        paths = sorted(
            (self.folder / "names").glob("*"),
            key=lambda path: path.stat().st_mtime_ns,
            reverse=True,
        )
        return [unquote(path.name) for path in paths]

    def forget(self, references: Iterable[str]) -> None:
        """Remove names, then every blob that no name needs; nobody may add meanwhile."""
        for reference in references:
            (self.folder / "names" / quote(reference, safe="")).unlink(missing_ok=True)
        images = filter(None, map(self.find, self.references()))
        needed = {blob.hex for image in images for blob in image.blobs}
        for path in self.blobs.iterdir():
            if path.name not in needed:
                path.unlink()

    def add_image(self, layer: Blob, config: dict[str, object]) -> str:
        """Keep an image of one layer; returns its manifest's digest."""
        machine = os.uname().machine
        content = {
            "architecture": _ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        }
        kept = self.add_bytes(json.dumps(content).encode(), _CONFIG)
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": asdict(kept),
            "layers": [asdict(layer)],
        }
        return self.add_bytes(json.dumps(manifest).encode(), _MANIFEST).digest

    def add_folder(self, folder: Path) -> Blob:
        """Keep a folder's content as a layer, the same bytes for the same content."""
        return self.add(lambda file: _write_tar(file, folder), _LAYER)


def open_layout() -> Layout:
    """The store of this machine."""
    layout = Layout(cache_root() / "images/layout")
    layout.create()
    return layout


def build_import_archive(layout: Layout, image: Image) -> bytes:
    """A tar to import an image from whose layers lie in the importer's store already."""
    described = {
        **asdict(image.manifest),
        "annotations": {"io.containerd.image.name": image.reference},
    }
    index = {"schemaVersion": 2, "manifests": [described]}
    members = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps(index).encode(),
    }
    for blob in (image.manifest, image.config):
        members[f"blobs/sha256/{blob.hex}"] = layout.path(blob).read_bytes()
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


class _Hashing:
    """A file that hashes what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)


def _write_tar(file: BinaryIO, folder: Path) -> None:
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, str(path.relative_to(folder)), recursive=False, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode |= 0o444 if member.isfile() else 0o555  # the reader is another user
    return member


def _parse(descriptor: dict[str, Any]) -> Blob:
    return Blob(descriptor["mediaType"], descriptor["digest"], descriptor["size"])
