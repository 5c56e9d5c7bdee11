"""The commits that a pod template carries, so that all of its pods serve the same weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Commits:
    """Of the model and of its adapters by name; empty where there is none, as of images."""

    model: str = ""
    adapters: Mapping[str, str] = field(default_factory=dict)
