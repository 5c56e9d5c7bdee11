"""A Secret as the kubelet mounts it: a folder of links, behind which all files change at once."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from modelyard_cli.key import hash_key


class MountedSecret:
    """What a container sees under the path of a volume. It is empty where the Secret is missing."""

    def __init__(self, path: Path, entries: Mapping[str, str | bytes] | None = None) -> None:
        self.path = path
        self._count = 0
        path.mkdir()
        self.update(entries or {})

    def update(self, entries: Mapping[str, str | bytes]) -> None:
        """Swap the content, in the order of the kubelet's atomic writer."""
        data = self.path / "..data"
        before = data.resolve() if data.exists() else None
        self._count += 1
        moment = self.path / f"..2026_11_22_10_00_00.{self._count}"
        moment.mkdir()
        for name, content in entries.items():
            (moment / name).write_bytes(content.encode() if isinstance(content, str) else content)
        swapped = self.path / "..data_tmp"
        swapped.symlink_to(moment.name)
        swapped.replace(data)
        for name in entries:
            if not os.path.lexists(self.path / name):
                (self.path / name).symlink_to(f"..data/{name}")
        for link in list(self.path.iterdir()):
            if not link.name.startswith("..") and link.name not in entries:
                link.unlink()
        if before is not None:
            shutil.rmtree(before)


def hashes(*keys: str) -> str:
    """Return an owner's entry for these keys."""
    return "".join(f"{hash_key(key)}\n" for key in keys)
