"""Every number of pods that a Deployment has wanted, from the API server's own watch."""

import json
import subprocess
import threading

from tests.support.waiting import wait_for


class ReplicasWatch:
    """Keeps the values in order, repeated ones once: from the one at the start to the last one."""

    def __init__(self, namespace, name="qwen"):
        self._namespace, self._name = namespace, name
        command = [
            *(namespace.cluster.bin / "kubectl", "-n", namespace.name, "get", "deployment", name),
            *("--watch", "-o", "jsonpath={.spec.replicas}{'\\n'}"),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=namespace.cluster.environment()
        )
        self._thread = threading.Thread(target=self._read)
        self.values = []

    def __enter__(self):
        self._thread.start()
        try:
            wait_for(lambda: self.values, what="the watch has begun", seconds=60)
        except AssertionError:
            self._stop()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                wait_for(self._has_seen_all, what="the watch has told the last", seconds=60)
        finally:
            self._stop()

    def _has_seen_all(self):
        live = self._namespace.get("deployment", self._name)["spec"]["replicas"]
        return self.values[-1] == live

    def _stop(self):
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()

    def _read(self):
        for line in self._process.stdout:
            value = json.loads(line)
            if self.values[-1:] != [value]:
                self.values.append(value)
