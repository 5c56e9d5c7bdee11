"""Keeps huggingface_hub and obstore to what they are told: both read much from the environment."""

from collections.abc import MutableMapping

# obstore lets AWS_ENDPOINT_URL_S3 win over the endpoint that it is given.
_FOREIGN = ("HF_", "HUGGINGFACE_", "HUGGING_FACE_", "TRANSFORMERS_", "AWS_")

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
    """Take what would steer the libraries out of the environment, before they are imported."""
    for name in [name for name in environment if name.startswith(_FOREIGN)]:
        del environment[name]
    environment.update(_SETTINGS)
