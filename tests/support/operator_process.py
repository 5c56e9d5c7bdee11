"""The operator as a real process, and what tests ask it."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml

from tests.support.waiting import wait_for

POLICY = """\
runtime: {image: registry.example.com/modelyard/runtime:test}
gpu:
  profiles:
    l4: {nodeSelector: {gpu.example.com/model: l4}}
    h100:
      nodeSelector: {gpu.example.com/model: h100}
      tolerations: [{key: dedicated, value: large, effect: NoSchedule}]
    mi300x: {resourceName: amd.com/gpu, nodeSelector: {gpu.example.com/model: mi300x}}
pods: {serviceAccounts: [default], schedulers: [default-scheduler]}
"""


class OperatorProcess:
    """`python -m modelyard_operator` against a cluster. Its log is kept in a file."""

    def __init__(self, kubeconfig, folder, policy=POLICY, **variables):
        self._log = folder / "operator.log"
        self._policy = folder / "policy.yaml"
        self._policy.write_text(policy)
        self._port = find_port()
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "MODELYARD_NAMESPACE": read_namespace(kubeconfig),
            "MODELYARD_POLICY": str(self._policy),
            "MODELYARD_PROBE_HOST": "127.0.0.1",
            "MODELYARD_PROBE_PORT": str(self._port),
            # Pods of kwok nodes have addresses that nobody answers at.
            "MODELYARD_REPORT_TIMEOUT_SECONDS": "0.2",
            **variables,
        }
        self.process = None

    def start(self, *, wait=True):
        """Start and wait until it is ready."""
        with self._log.open("ab") as log:
            argv = [sys.executable, "-m", "modelyard_operator"]
            self.process = subprocess.Popen(argv, env=self._environment, stderr=log, stdout=log)
        if wait:
            wait_for(self._is_ready, what="the operator is ready", seconds=120, told=self.log)
        return self

    def stop(self, number=signal.SIGTERM):
        """Stop and return the exit status; where it has ended by itself, that one."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        self.process = None
        return status

    def restart(self, policy=None, number=signal.SIGTERM):
        """Stop, and start with another policy if one is given."""
        self.stop(number)
        if policy is not None:
            self._policy.write_text(policy)
        self.start()

    def log(self):
        """The end of its log."""
        return self._log.read_text()[-4000:] if self._log.exists() else ""

    def log_lines(self):
        """Its log, parsed; it may be in the middle of the last line."""
        whole = self._log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def address(self):
        """Where probes and metrics are."""
        return f"127.0.0.1:{self._port}"

    def ask(self, path):
        """What it answers at its probe port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=30) as answer:
            return answer.read().decode()

    def metric(self, name):
        """The value of a metric with its labels as written."""
        lines = (line.rpartition(" ") for line in self.ask("/metrics").splitlines())
        return next((float(value) for key, _, value in lines if key == name), 0.0)

    def writes(self):
        """All writes to the cluster so far, Events aside."""
        kinds = ("Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", "Status")
        name = "modelyard_operator_writes_total"
        return sum(self.metric(f'{name}{{kind="{kind}"}}') for kind in kinds)

    def reconciles(self):
        """All reconciles that ended well so far."""
        return self.metric('modelyard_operator_reconciles_total{outcome="done"}')

    def is_ready(self):
        """Whether it runs and says that it is ready."""
        try:
            return bool(self.ask("/readyz"))
        except OSError:
            return False

    def _is_ready(self):
        assert self.process.poll() is None, self.log()
        return self.is_ready()


def read_namespace(kubeconfig):
    """The namespace that a kubeconfig names: where the lease lies that its user may hold."""
    config = yaml.safe_load(Path(kubeconfig).read_text())
    return config["contexts"][0]["context"].get("namespace", "default")


def find_port():
    """A port that is free, to be listened at later, and again after a restart.

    It is none of those that the kernel deals out: servers and clients of other tests get them.
    """
    first, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    ports = range(5_000, max(int(first), 10_000))
    while True:
        # Not of the generator that tests seed, in several processes alike.
        port = random.SystemRandom().choice(ports)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
