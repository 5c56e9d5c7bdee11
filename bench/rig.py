"""What the operator is measured in: a control plane of its own, a played node, the operator."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.audit_log import AuditLog
from bench.operator_process import Login, OperatorProcess, prepare_login
from bench.workload import NAMESPACES
from modelyard_local import clusters, nodes, state
from modelyard_local.clusters import Cluster
from modelyard_local.control_plane_config import Options
from modelyard_local.progress import Report

_CRD = Path(__file__).parents[1] / "crds" / "modeldeployment.yaml"
_NODE = "bench-node"
#: Room for every pod: nothing is measured of a scheduler that finds none.
_CAPACITY = {"cpu": "100k", "memory": "1Pi", "ephemeral-storage": "1Pi", "pods": "100k"}


@dataclass(frozen=True)
class Rig:
    """All that a run works with."""

    cluster: Cluster
    audit: AuditLog
    login: Login
    operator: OperatorProcess
    daemons: dict[str, int]  # pids of the control plane by name
    report: Report

    def pids(self) -> dict[str, int]:
        """The operator and the control plane."""
        return {"operator": self.operator.pid, **self.daemons}


@contextmanager
def set_up(
    name: str, *, api_limits: bool, workers: int, keep: bool, report: Report
) -> Iterator[Rig]:
    """A fresh control plane with a running operator; both end with the block, however it ends."""
    # In Docker there would be no audit log, and somebody else's daemons in the figures.
    os.environ["MODELYARD_ENGINE"] = "machine"
    clusters.down(name, purge=True, on_progress=report)
    try:
        options = Options(audit=True, api_limits=api_limits)
        cluster = clusters.up(name, node=False, options=options, on_progress=report)
        with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
            rig = _prepare(cluster, Path(folder), workers, report)
            try:
                rig.operator.start()
                yield rig
            finally:
                rig.operator.stop()
    finally:
        if keep:
            report(f"cluster {name} stays up; end it: python -m modelyard_local down {name}")
        else:
            clusters.down(name, purge=True, on_progress=report)


def _prepare(cluster: Cluster, folder: Path, workers: int, report: Report) -> Rig:
    cluster.define(_CRD.read_text())
    node = nodes.build_fake_node(_NODE, capacity=_CAPACITY, labels={})
    cluster.kubectl("create", "-f", "-", input=json.dumps(node))
    cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"node/{_NODE}")
    for namespace in NAMESPACES:
        cluster.kubectl("create", "namespace", namespace)
    login = prepare_login(cluster, folder)
    files = state.files_of(cluster.name)
    record = state.read(files)
    return Rig(
        cluster=cluster,
        audit=AuditLog(files.logs / "audit.log"),
        login=login,
        operator=OperatorProcess(login, folder, workers, report),
        daemons={each.name: each.pid for each in record.processes} if record else {},
        report=report,
    )
