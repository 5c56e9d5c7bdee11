"""Says whether weights fit, before they are loaded and the kernel kills the process."""

from pathlib import Path

from modelyard_api.meta import Reason
from modelyard_runtime.errors import CannotStart

_GIB = 1024**3
# What computing a first answer takes on top of the weights of even a small model: activations,
# buffers of the matrix library, a cache for a few short requests.
_WORKING_BYTES = 96 * 1024**2
# What torch and transformers allocate while they are imported: 330 MiB, measured with torch 2.15.
_LIBRARY_BYTES = 352 * 1024**2


def format_gib(size_bytes: int) -> str:
    """Return a size for people."""
    return f"{size_bytes / _GIB:.2f} GiB"


def read_resident_bytes() -> int:
    """Return this process's own memory: what it has allocated, without mapped files."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def require_memory(
    weights_bytes: int, *, resident_bytes: int, limit_bytes: int, place: str = "pod"
) -> None:
    """Refuse weights that cannot fit.

    Raises:
        CannotStart: NotEnoughMemory, with needed and available bytes.
    """
    needed = resident_bytes + weights_bytes + _WORKING_BYTES
    if needed <= limit_bytes:
        return
    raise CannotStart(
        Reason.NOT_ENOUGH_MEMORY,
        f"The model needs about {format_gib(needed)} ({weights_bytes} bytes of weights, "
        f"{resident_bytes} of runtime, {_WORKING_BYTES} to work with), but the {place} has "
        f"{format_gib(limit_bytes)} ({limit_bytes} bytes)",
        hint=_memory_hint(needed, place),
    )


def require_library_memory(limit_bytes: int) -> None:
    """Refuse a limit in which the model libraries alone do not fit, before they are imported.

    Importing them there would end with the kernel's kill, or take minutes while it drops and
    reads the same pages of their files again and again.

    Raises:
        CannotStart: NotEnoughMemory, with needed and available bytes.
    """
    if limit_bytes >= _LIBRARY_BYTES:
        return
    raise CannotStart(
        Reason.NOT_ENOUGH_MEMORY,
        f"The runtime without any model needs about {format_gib(_LIBRARY_BYTES)}, but the pod has "
        f"{format_gib(limit_bytes)} ({limit_bytes} bytes)",
        hint=_memory_hint(_LIBRARY_BYTES, "pod"),
    )


def _memory_hint(needed: int, place: str) -> str:
    wanted_mib = -(-needed * 5 // 4 // (64 * 1024**2)) * 64
    if place == "pod":
        return f"Set spec.resources.memory to {wanted_mib}Mi or more, or use a smaller model."
    return "Use a smaller model, a GPU with more memory, or spec.runtime.dtype bfloat16."
