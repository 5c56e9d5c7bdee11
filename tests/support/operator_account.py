"""The operator's service account with the rights that the chart gives, and no more."""

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).parents[2] / "charts" / "modelyard"


@dataclass(frozen=True)
class Account:
    """A service account; `rights` are the manifests that make it."""

    namespace: str
    token: str
    rights: str

    def bindings(self):
        """What gives the rights to the account, without the rights themselves."""
        documents = yaml.safe_load_all(self.rights)
        kept = [body for body in documents if body and body["kind"].endswith("RoleBinding")]
        return yaml.safe_dump_all(kept)


@contextmanager
def operator_account(cluster):
    """An account in a namespace of its own; removed afterwards."""
    name = f"operator-{uuid.uuid4().hex[:6]}"
    rights = cluster.helm(
        *("template", name, str(CHART), "--namespace", name),
        *("--show-only", "templates/operator/rbac.yaml"),
        *("--show-only", "templates/operator/serviceaccount.yaml"),
    )
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("apply", "-f", "-", input=rights)
    account = f"{name}-modelyard-operator"
    token = cluster.kubectl("create", "token", account, "-n", name, "--duration=4h").strip()
    yield Account(name, token, rights)
    cluster.kubectl("delete", "-f", "-", input=rights)
    cluster.kubectl("delete", "namespace", name, "--wait=false")
