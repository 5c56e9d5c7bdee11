"""What `explain` says of the model itself."""

import pytest

from modelyard_cli.plugin.explain_status import tell_device
from modelyard_cli.plugin.model import parse_model


def build_model(revision, **facts):
    return parse_model(
        {
            "metadata": {"name": "qwen", "namespace": "team", "uid": "u", "generation": 1},
            "spec": {"model": {"uri": "s3://models/qwen"}},
            "status": {
                "device": {"actual": "cpu"},
                "model": {"resolvedRevision": revision, **facts},
            },
        }
    )


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("0123456789abcdef0123456789abcdef01234567", "runs on cpu, commit 0123456789ab"),
        ("3a6eb0790f39ac87" * 4, "runs on cpu, digest 3a6eb0790f39"),
        ("", "runs on cpu"),
    ],
    ids=["of a hub", "of a bucket", "of an image"],
)
def test_the_revision_is_called_what_it_is(revision, expected):
    assert list(tell_device(build_model(revision), 80)) == [f"  {expected}"]


def test_what_was_done_to_the_model_is_told_with_what_it_brought():
    done = {
        "steps": "pruning 0.1, dynamic-int8",
        "agreement": 0.975,
        "examples": 40,
        "before": {"sizeBytes": 1000, "milliseconds": 5.0, "accuracy": 0.25},
        "after": {"sizeBytes": 510, "milliseconds": 4.04, "accuracy": 0.3},
    }
    assert list(tell_device(build_model("", optimization=done), 80)) == [
        "  runs on cpu",
        "  pruning 0.1, dynamic-int8: 51% of its size, 5.0 → 4.0 ms for one example,",
        "  97.5% of 40 answers as before",
    ]
