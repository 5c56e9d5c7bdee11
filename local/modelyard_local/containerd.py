"""Bringing images from our store into a node's containerd without copying their layers."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import CommandFailed
from .node_config import CONTAINERD_SOCKET
from .oci import Blob, Image, Layout, build_import_archive
from .processes import Process
from .state import Files


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

    def load(self, layout: Layout, image: Image) -> None:
        """Make an image of our store known; its layers become hard links where the disk is the same."""
        known = set(self.ctr("content", "list", "--quiet").split())
        for blob in image.blobs:
            if blob.digest not in known:
                self._adopt(layout, blob)
        self.ctr("images", "import", "--local", "-", stdin=build_import_archive(layout, image))

    def forget(self, references: list[str]) -> None:
        """Remove images; what runs keeps what it needs."""
        if references:
            self.ctr("images", "remove", *references)

    def forget_containers(self) -> None:
        """Remove what it remembers of pods whose processes are gone, so that only images stay."""
        for kind in ("containers", "sandboxes"):
            rows = self.ctr(kind, "list").splitlines()[1:]
            if names := [row.split()[0] for row in rows if row.strip()]:
                self.ctr(kind, "remove", *names)

    def ctr(self, *arguments: str, stdin: bytes = b"", stdin_file: Path | None = None) -> str:
        """Run ctr where containerd runs, on the images and containers of Kubernetes."""
        enter = ["nsenter", f"--target={self.process.pid}", "--mount", "--net", "--"]
        command = [self.programs / "ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *arguments]
        if stdin_file:
            with stdin_file.open("rb") as file:
                done = subprocess.run([*enter, *command], stdin=file, capture_output=True, check=False)
        else:
            done = subprocess.run([*enter, *command], input=stdin, capture_output=True, check=False)
        if done.returncode:
            tail = (done.stderr or done.stdout).decode(errors="replace")
            raise CommandFailed(f"ctr {' '.join(arguments)}", done.returncode, tail)
        return done.stdout.decode()

    def _adopt(self, layout: Layout, blob: Blob) -> None:
        """Put the blob's file where containerd keeps its own, then have it recorded.

        containerd shares content between its namespaces: a blob that lies in the store is recorded without being read.
        """
        source = layout.path(blob)
        target = self.files.images / "io.containerd.content.v1.content/blobs/sha256" / blob.hex
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target)
            except OSError:  # another disk
                fresh = target.with_suffix(".modelyard")
                shutil.copyfile(source, fresh)
                fresh.replace(target)
        size = ("--expected-size", str(blob.size))
        self.ctr("content", "ingest", "--expected-digest", blob.digest, *size, blob.hex, stdin_file=source)
