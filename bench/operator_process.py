"""The operator as a process of its own, with the rights and the policy that the chart gives it."""

import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.environment import build_environment
from modelyard_local.clusters import Cluster
from modelyard_local.errors import LocalError
from modelyard_local.progress import Report, read_tail, wait_until

CHART = Path(__file__).parents[1] / "charts" / "modelyard"
RELEASE = "modelyard"
NAMESPACE = "modelyard-system"

_STOP_SECONDS = 30
#: kwok's pods have addresses at which nobody answers.
_REPORT_SECONDS = "0.2"


@dataclass(frozen=True)
class Login:
    """What the operator runs with, and the name by which the audit log knows it."""

    kubeconfig: Path
    policy: Path
    user: str


def prepare_login(cluster: Cluster, folder: Path) -> Login:
    """Give the operator its service account as the chart does; its files go into `folder`."""
    rights = _render(cluster, "operator/rbac.yaml", "operator/serviceaccount.yaml")
    policy = yaml.safe_load(_render(cluster, "policy/configmap.yaml"))["data"]["policy.yaml"]
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("apply", "-f", "-", input=rights)
    accounts = [
        body["metadata"]["name"]
        for body in yaml.safe_load_all(rights)
        if body and body["kind"] == "ServiceAccount"
    ]
    token = cluster.kubectl("create", "token", accounts[0], "-n", NAMESPACE, "--duration=2h")
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"] = [
        {"name": user["name"], "user": {"token": token.strip()}} for user in config["users"]
    ]
    kubeconfig, policy_file = folder / "kubeconfig", folder / "policy.yaml"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(yaml.safe_dump(config))
    policy_file.write_text(policy)
    return Login(kubeconfig, policy_file, f"system:serviceaccount:{NAMESPACE}:{accounts[0]}")


class OperatorProcess:
    """`python -m modelyard_operator`, started and stopped by us."""

    def __init__(self, login: Login, folder: Path, workers: int, report: Report) -> None:
        self._report = report
        self._log = folder / "operator.log"
        self._port = find_port()
        self._environment = build_environment(
            KUBECONFIG=str(login.kubeconfig),
            MODELYARD_POLICY=str(login.policy),
            MODELYARD_NAMESPACE=NAMESPACE,
            MODELYARD_WORKERS=str(workers),
            MODELYARD_POD_NAME="operator-bench",
            MODELYARD_PROBE_HOST="127.0.0.1",
            MODELYARD_PROBE_PORT=str(self._port),
            MODELYARD_REPORT_TIMEOUT_SECONDS=_REPORT_SECONDS,
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id.

        Raises:
            LocalError: it does not run.
        """
        if self._process is None or self._process.poll() is not None:
            raise LocalError(f"the operator is not running; its last lines:\n{self.tail()}")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        # -P keeps the current folder, with its `operator` folder, out of Python's path.
        argv = [sys.executable, "-P", "-m", "modelyard_operator"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(
            self._is_ready,
            title="waiting for the operator to be ready",
            timeout_seconds=60,
            report=self._report,
            interval_seconds=0.02,
        )

    def stop(self) -> None:
        """End it in order; by force if that takes too long."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def read_metrics(self) -> dict[str, float]:
        """Return its metrics by name with labels as written."""
        with urllib.request.urlopen(self._url("/metrics"), timeout=10) as answer:  # noqa: S310 - ours
            return parse_metrics(answer.read().decode())

    def tail(self) -> str:
        """Return the end of its log."""
        return read_tail(self._log)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def _is_ready(self) -> bool:
        _ = self.pid  # fails with the reason as soon as it has ended
        try:
            with urllib.request.urlopen(self._url("/readyz"), timeout=10) as answer:  # noqa: S310
                return bool(answer.status)
        except OSError:
            return False


def parse_metrics(text: str) -> dict[str, float]:
    """Read Prometheus' text format, without timestamps."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines if name}


def read_chart_workers() -> int:
    """Return how many workers the chart gives the operator."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return int(values["operator"]["workers"])


def find_port() -> int:
    """Return a port of this machine that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _render(cluster: Cluster, *templates: str) -> str:
    shown = [part for name in templates for part in ("--show-only", f"templates/{name}")]
    return cluster.helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *shown)
