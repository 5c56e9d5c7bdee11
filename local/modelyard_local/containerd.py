"""Bringing images from our store into a node's containerd without copying their layers."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import CommandFailed, LocalError
from .node_config import CONTAINERD_SOCKET
from .oci import Blob, Image, Layout, build_import_archive
from .processes import Process
from .state import Files

_SHIM_SECONDS = 3.0  # until shims have noticed that their containers' processes are gone

_TRIES = 5


@dataclass(frozen=True)
class Containerd:
    """The containerd of one node."""

    process: Process
    programs: Path
    files: Files

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            self.ctr("version")
        except CommandFailed:
            return False
        return True

    def references(self) -> dict[str, str]:
        """Name → manifest digest of every image that it has."""
        rows = [line.split() for line in self.ctr("images", "list").splitlines()[1:]]
        return {row[0]: row[2] for row in rows}

    def find_missing(self, image: Image) -> list[Blob]:
        """The blobs of an image that its store lacks, by its books or in its folder."""
        known = set(self.ctr("content", "list", "--quiet").split())
        return [
            blob
            for blob in image.blobs
            if blob.digest not in known or not self._path(blob).exists()
        ]

    def load(self, layout: Layout, image: Image) -> None:
        """Make an image of our store known; its layers become hard links on the same disk.

        Until the image is known nothing refers to its layers. A collection of garbage that starts
        in between (a pod's end is enough) takes some away again, so it may need more than one try.
        """
        archive = build_import_archive(layout, image)
        for tries_left in reversed(range(_TRIES)):
            for blob in self.find_missing(image):
                self._adopt(layout, blob)
            try:
                self.ctr("images", "import", "--local", "-", stdin=archive)
            except CommandFailed:
                if not tries_left:
                    raise
            else:
                if not self.find_missing(image):
                    return
        raise LocalError(f"{image.reference} loses layers as often as they are loaded; try again")

    def forget(self, references: list[str]) -> None:
        """Remove images that no container needs."""
        rows = [line.split() for line in self.ctr("containers", "list").splitlines()[1:]]
        used = {row[1] for row in rows if len(row) > 1}
        unused = find_unused(self.references(), [each for each in references if each not in used])
        if unused:
            self.ctr("images", "remove", *unused)

    def forget_containers(self) -> None:
        """Remove what it remembers of pods whose processes are gone, so that only images stay."""
        deadline = time.monotonic() + _SHIM_SECONDS
        for kind, options in (("containers", ()), ("sandboxes", ("--force",))):
            while rows := [row for row in self.ctr(kind, "list").splitlines()[1:] if row.strip()]:
                try:
                    self.ctr(kind, "remove", *options, *(row.split()[0] for row in rows))
                except CommandFailed:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)

    def ctr(self, *arguments: str, stdin: bytes = b"", stdin_file: Path | None = None) -> str:
        """Run ctr where containerd runs, on the images and containers of Kubernetes."""
        enter = ["nsenter", f"--target={self.process.pid}", "--mount", "--net", "--"]
        ctr = [str(self.programs / "ctr"), f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io"]
        argv = [*enter, *ctr, *arguments]
        if stdin_file:
            with stdin_file.open("rb") as file:
                done = subprocess.run(argv, stdin=file, capture_output=True, check=False)
        else:
            done = subprocess.run(argv, input=stdin, capture_output=True, check=False)
        if done.returncode:
            tail = (done.stderr or done.stdout).decode(errors="replace")
            raise CommandFailed(f"ctr {' '.join(arguments)}", done.returncode, tail)
        return done.stdout.decode()

    def _path(self, blob: Blob) -> Path:
        return self.files.images / "io.containerd.content.v1.content/blobs/sha256" / blob.hex

    def _adopt(self, layout: Layout, blob: Blob) -> None:
        """Put the blob's file where containerd keeps its own, then have it recorded.

        containerd shares content between its namespaces: a blob that lies in the store is recorded
        without being read.
        """
        source = layout.path(blob)
        target = self._path(blob)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:  # another disk
                fresh = target.with_suffix(".modelyard")
                shutil.copyfile(source, fresh)
                fresh.replace(target)
        size = ("--expected-size", str(blob.size))
        self.ctr(
            "content",
            "ingest",
            "--expected-digest",
            blob.digest,
            *size,
            blob.hex,
            stdin_file=source,
        )


def find_unused(digests: Mapping[str, str], unwanted: Iterable[str]) -> list[str]:
    """The unwanted names, and what else would keep their layers.

    containerd's Kubernetes part gives every image a second name, the digest of its configuration.
    """
    gone = set(unwanted)
    wanted = {
        digest
        for name, digest in digests.items()
        if name not in gone and not name.startswith("sha256:")
    }
    return [name for name, digest in digests.items() if name in gone or digest not in wanted]
