"""ModelDeployments as `kubectl modelyard` reads them."""

from modelyard_cli.plugin.model import parse_model


def build_model(reason, status="False", available="False"):
    """One whose Ready and Available are so, for that reason."""
    kinds = {"Ready": status, "Available": available}
    return parse_model(
        {
            "metadata": {"name": "qwen", "namespace": "team", "uid": "u", "generation": 1},
            "spec": {"model": {"uri": "oci://x"}},
            "status": {
                "observedGeneration": 1,
                "conditions": [
                    {
                        "type": kind,
                        "status": value,
                        "observedGeneration": 1,
                        "lastTransitionTime": "2026-11-22T10:00:00Z",
                        "reason": reason,
                        "message": "Because.",
                    }
                    for kind, value in kinds.items()
                ],
            },
        }
    )
