"""Every number of pods that a Deployment has wanted, from the API server's own watch."""

import json
import subprocess
import threading


class ReplicasWatch:
    """Keeps the values in order, repeated ones once."""

    def __init__(self, namespace, name="qwen"):
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
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()

    def _read(self):
        for line in self._process.stdout:
            value = json.loads(line)
            if self.values[-1:] != [value]:
                self.values.append(value)
