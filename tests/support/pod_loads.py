"""Model pods that say how busy they are, for pods that nobody runs.

kwok's pods have addresses that nobody answers at. Here each ready one gets an address of the
loopback, and all are answered for at one port.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from modelyard_local.errors import CommandFailed


class PodLoads:
    """Answers for all pods; `total` is spread evenly over those that have an address of ours."""

    def __init__(self):
        loads = self
        self.total = 0.0
        self._addresses, self._count = {}, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = loads.render().encode() if self.path == "/metrics" else b""
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def port(self):
        return self._server.server_port

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def render(self):
        each = self.total / max(len(self._addresses), 1)
        return (
            f"modelyard_requests_running {each}\n"
            "modelyard_requests_waiting 0\n"
            'modelyard_requests_total{code="200"} 0\n'
        )

    def answer_for(self, namespace):
        """Give an address to each pod that has none; returns how many have one."""
        pods = {pod["metadata"]["uid"]: pod for pod in namespace.list("pods")}
        self._addresses = {uid: ip for uid, ip in self._addresses.items() if uid in pods}
        for uid, pod in pods.items():
            if uid not in self._addresses and pod["status"].get("phase") == "Running":
                self._count += 1
                ip = f"127.1.{self._count // 250}.{self._count % 250 + 1}"
                if _set_address(namespace, pod["metadata"]["name"], ip):
                    self._addresses[uid] = ip
        return len(self._addresses)


def _set_address(namespace, name, ip):
    """Give a pod an address; False where it has been removed since it was listed."""
    status = {"status": {"podIP": ip, "podIPs": [{"ip": ip}]}}
    try:
        namespace.kubectl(
            *("patch", "pod", name, "--subresource=status", "--type=merge"),
            *("-p", json.dumps(status)),
        )
    except CommandFailed as error:
        if "(NotFound)" not in str(error):
            raise
        return False
    return True
