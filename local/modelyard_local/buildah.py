"""Building images from Dockerfiles without a daemon, in a store of our own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import recipes
from .paths import REPOSITORY, cache_root
from .progress import Report, run_logged
from .registry_settings import Settings

# The storage of buildah and skopeo leaves a mount behind: it ends with a mount namespace.
_OWN_MOUNTS = ("unshare", "--mount", "--propagation=slave")


@dataclass(frozen=True)
class Buildah:
    """buildah with its folders."""

    folder: Path
    report: Report

    def has(self, reference: str) -> bool:
        """Whether an image is in its store."""
        return self._ask("inspect", "--type", "image", reference) is not None

    def references(self) -> list[str]:
        """All names in its store, the newest first."""
        return (self._ask("images", "--format", "{{.Name}}:{{.Tag}}") or "").split()

    def build_base(self, reference: str) -> None:
        """A small Debian with Python, made from packages, for machines without a registry."""
        with tempfile.TemporaryDirectory(dir=self.folder) as text:
            folder = Path(text)
            packages = f"--include={','.join(recipes.BASE_PACKAGES)}"
            command = [
                "mmdebstrap",
                "--variant=minbase",
                packages,
                recipes.BASE_SUITE,
                str(folder / "base.tar"),
            ]
            run_logged(
                command, title="making the base image", log=self._log("base"), report=self.report
            )
            (folder / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
            self._run("packing the base image", "bud", "--tag", reference, str(folder), log="base")

    def build(
        self,
        title: str,
        dockerfile: str,
        reference: str,
        *,
        arguments: Mapping[str, str],
        target: str = "",
        settings: Settings | None = None,
    ) -> None:
        """Build a Dockerfile of the repository, or one stage of it."""
        options = ["--file", str(REPOSITORY / dockerfile), "--tag", reference]
        options += ["--ignorefile", str(REPOSITORY / f"{dockerfile}.dockerignore")]
        options += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        options += [f"--target={target}"] if target else []
        log = dockerfile.partition("/")[0]
        with tempfile.TemporaryDirectory() as text:
            if settings:
                lines = Path(text, "build-env")
                lines.touch(mode=0o600)  # it may hold a password
                lines.write_text(settings.lines)
                options += [f"--secret=id=build-env,src={lines}"]
                options += [f"--volume={volume}" for volume in settings.volumes]
            self._run(title, "bud", *options, str(REPOSITORY), log=log)

    def store(self, reference: str, layout: Path) -> str:
        """Copy an image into an OCI layout, skipping blobs that it has; returns its digest.

        By skopeo, because `buildah push` compresses what goes into a layout, each time anew.
        """
        with tempfile.TemporaryDirectory() as text:
            digest = Path(text, "digest")
            folders = f"{self.folder / 'store'}+{self.folder / 'run'}"
            source = f"containers-storage:[overlay@{folders}]{reference}"
            options = [
                "--insecure-policy",
                "--dest-oci-accept-uncompressed-layers",
                f"--digestfile={digest}",
            ]
            command = [
                *_OWN_MOUNTS,
                "skopeo",
                "copy",
                "--quiet",
                *options,
                source,
                f"oci:{layout}:latest",
            ]
            title = f"storing {reference}"
            run_logged(
                command,
                title=title,
                log=self._log("store"),
                report=self.report,
                env=self._environment(),
            )
            return digest.read_text().strip()

    def remove(self, references: list[str]) -> None:
        """Forget images; layers that others need stay."""
        if references:
            self._ask("rmi", "--force", *references)

    def _run(self, title: str, command: str, *arguments: str, log: str) -> None:
        options = ["--isolation=chroot", "--layers=false"] if command == "bud" else []
        argv = [*self._words(), command, *options, *arguments]
        run_logged(
            argv, title=title, log=self._log(log), report=self.report, env=self._environment()
        )

    def _ask(self, *arguments: str) -> str | None:
        done = subprocess.run(
            [*self._words(), *arguments],
            capture_output=True,
            text=True,
            env=self._environment(),
            check=False,
        )
        return None if done.returncode else done.stdout

    def _words(self) -> list[str]:
        store = [
            f"--root={self.folder / 'store'}",
            f"--runroot={self.folder / 'run'}",
            "--storage-driver=overlay",
        ]
        return [*_OWN_MOUNTS, "buildah", *store]

    def _environment(self) -> dict[str, str]:
        temporary = self.folder / "tmp"  # layers pass through here: /tmp may be small, or memory
        temporary.mkdir(parents=True, exist_ok=True)
        return {**os.environ, "TMPDIR": str(temporary)}

    def _log(self, name: str) -> Path:
        return cache_root() / f"logs/image-{name}.log"


def open_buildah(report: Report) -> Buildah:
    """This machine's store."""
    folder = cache_root() / "images/buildah"
    folder.mkdir(parents=True, exist_ok=True)
    return Buildah(folder, report)


def find_uv_cache() -> Path:
    """Uv's cache on this machine, so that a build downloads nothing that is already here."""
    if uv := shutil.which("uv"):
        done = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=False)
        if not done.returncode and (text := done.stdout.strip()):
            return Path(text)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("UV_CACHE_DIR") or Path(base) / "uv")
