"""The API server takes every valid example and refuses every invalid one with its message."""

import subprocess
from pathlib import Path

import pytest
import yaml

from modelyard_api.v1alpha1 import ModelDeployment

EXAMPLES = Path(__file__).parents[3] / "crds" / "examples"


def cases(folder):
    return [pytest.param(path, id=path.stem) for path in sorted(folder.glob("*.yaml"))]


def dry_run(control_plane, namespace, path):
    """Apply strictly, as kubectl does by default, without keeping the object."""
    return subprocess.run(
        [
            *(control_plane.bin / "kubectl", "--kubeconfig", control_plane.kubeconfig),
            *("apply", "-n", namespace, "--dry-run=server", "-o", "yaml", "-f", path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("path", cases(EXAMPLES))
def test_a_valid_example_is_taken_and_defaulted_as_python_reads_it(control_plane, namespace, path):
    done = dry_run(control_plane, namespace, path)
    assert done.returncode == 0, done.stderr
    stored = yaml.safe_load(done.stdout)
    written = yaml.safe_load(path.read_text())
    written["metadata"] = stored["metadata"]
    assert ModelDeployment.model_validate(stored) == ModelDeployment.model_validate(written)


@pytest.mark.parametrize("path", cases(EXAMPLES / "invalid"))
def test_an_invalid_example_is_refused_with_its_message(control_plane, namespace, path):
    expected = path.read_text().splitlines()[0].removeprefix("# expect: ")
    done = dry_run(control_plane, namespace, path)
    assert done.returncode != 0, done.stdout
    assert expected in done.stderr


def test_kubectl_explain_teaches_every_field(control_plane):
    told = control_plane.kubectl("explain", "mdl.spec", "--recursive")
    assert [word for word in ("uri", "gpu", "replicas", "progressDeadline") if word in told] == [
        *("uri", "gpu", "replicas", "progressDeadline"),
    ]
    assert "oci://" in control_plane.kubectl("explain", "mdl.spec.model.uri")
