"""A real Prometheus that scrapes what a test gives it."""

import json
import subprocess
import urllib.parse
import urllib.request

import yaml

from modelyard_local import programs
from tests.support.operator_process import find_port
from tests.support.waiting import wait_for


class Prometheus:
    """The process; scrapes and evaluates every second. Its log is kept in a file."""

    def __init__(self, folder, *, target, labels, rules):
        self._folder, self._port, self._process = folder, find_port(), None
        self._log = folder / "prometheus.log"
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [
                {
                    "job_name": "test",
                    "static_configs": [{"targets": [target], "labels": labels}],
                }
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))

    def start(self):
        argv = [
            programs.ensure("prometheus") / "prometheus",
            f"--config.file={self._folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(argv, stderr=log, stdout=log, cwd=self._folder)
        wait_for(self._is_ready, what="Prometheus is ready", seconds=60, told=self.log)
        return self

    def stop(self):
        self._process.terminate()
        self._process.wait(timeout=30)

    def log(self):
        return self._log.read_text()[-4000:]

    def ask(self, path, **query):
        """The data of an API answer."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """Labels and value of each series."""
        found = self.ask("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def wait(self, look, what, seconds=60):
        return wait_for(look, what=what, seconds=seconds, told=self.log)

    def _is_ready(self):
        assert self._process.poll() is None, self.log()
        try:
            url = f"http://127.0.0.1:{self._port}/-/ready"
            return urllib.request.urlopen(url, timeout=5).status == 200
        except OSError:
            return None
