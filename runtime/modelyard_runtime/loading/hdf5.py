"""Looks into HDF5 files before a model library reads them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.loading.archives import DAMAGED_HINT
from modelyard_runtime.loading.memory import format_gib

_MAX_OBJECTS = 1_000_000


class _Unsafe(Exception):
    """The file reaches outside of itself, or is a bomb."""


def vet_hdf5(source: Path | BinaryIO, name: str, *, limit_bytes: int) -> str | None:
    """Refuse a file that reads others or unpacks to more than `limit_bytes`.

    Returns its attribute `model_config`, if it has one.

    Raises:
        CannotStart: ModelUnsafe or ModelFileCorrupt.
    """
    try:
        with h5py.File(source, "r") as file:
            size = sum(_check(member) for member in _walk(file))
            _require_room(size, limit_bytes)
            config = file.attrs.get("model_config")
    except _Unsafe as fault:
        raise CannotStart(
            Reason.MODEL_UNSAFE,
            f"{name} {fault}",
            hint="Keras writes no such file; get the model again from its source. If it is honest "
            "and only large, raise spec.resources.memory.",
        ) from fault
    # What h5py raises for damaged files depends on the place of the damage.
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise CannotStart(
            Reason.MODEL_FILE_CORRUPT,
            f"{name} is not a whole HDF5 file: {error}",
            hint=DAMAGED_HINT,
        ) from error
    return config.decode() if isinstance(config, bytes) else config


def _require_room(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise _Unsafe(
            f"would unpack to {size} bytes ({format_gib(size)}), and the pod has "
            f"{format_gib(limit_bytes)}"
        )


def _walk(file: Any) -> Iterator[Any]:
    """Yield each group and dataset once; groups may hold one another."""
    pending = [file]
    seen = {h5py.h5o.get_info(file.id).addr}
    while pending:
        member = pending.pop()
        yield member
        if not isinstance(member, h5py.Group):
            continue
        for key in member:
            if not isinstance(member.get(key, getlink=True), h5py.HardLink):
                raise _Unsafe(f"has a link at {member.name}/{key}, which may lead to another file")
            child = member[key]
            address = h5py.h5o.get_info(child.id).addr
            if address not in seen:
                seen.add(address)
                pending.append(child)
        if len(seen) > _MAX_OBJECTS:
            raise _Unsafe(f"has more than {_MAX_OBJECTS} members")


def _check(member: Any) -> int:
    """Return a member's size in memory."""
    if not isinstance(member, h5py.Dataset):
        return 0
    if member.external or member.is_virtual:
        raise _Unsafe(f"takes {member.name} from another file")
    return int(member.size or 0) * int(member.dtype.itemsize)
