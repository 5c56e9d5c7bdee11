"""Keeps huggingface_hub to what it is told: it reads much from the environment when imported."""

from collections.abc import MutableMapping

_FOREIGN = ("HF_", "HUGGINGFACE_", "HUGGING_FACE_", "TRANSFORMERS_")

_SETTINGS = {
    # A token comes from the Secret or from nowhere.
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # Xet speaks to servers of its own, past the redirects and hashes that are checked here.
    "HF_HUB_DISABLE_XET": "1",
    # The root file system is read-only, and nothing of a person's home is wanted.
    "HF_HOME": "/tmp/modelyard-hub",  # noqa: S108 - nothing is written there; it must not be a home
}


def isolate(environment: MutableMapping[str, str]) -> None:
    """Take what would steer the library out of the environment, before it is imported."""
    for name in [name for name in environment if name.startswith(_FOREIGN)]:
        del environment[name]
    environment.update(_SETTINGS)
