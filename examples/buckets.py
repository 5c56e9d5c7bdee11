"""An S3 server for the examples: the Versity gateway over a folder, on this machine."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.store import S3Store

from modelyard_local import programs
from modelyard_local.errors import LocalError

REGION = "us-east-1"
#: Of a server that lives as long as one example.
ACCOUNT = {"accessKeyId": "example", "secretAccessKey": "example-secret"}
_START_SECONDS = 60


def build_secret(endpoint: str) -> dict[str, str]:
    """Return what the Secret of a model in a bucket holds; its keys are for that endpoint only."""
    return {**ACCOUNT, "endpoint": endpoint, "region": REGION}


@contextmanager
def serve(folder: Path, address: str, bucket: str) -> Iterator[str]:
    """Run the Versity gateway with a bucket, and yield its endpoint."""
    with socket.create_server((address, 0)) as probe:
        host = f"{address}:{probe.getsockname()[1]}"
    # A bucket is a folder of the gateway's.
    (folder / "buckets" / bucket).mkdir(parents=True)
    command = [str(programs.ensure("s3") / "versitygw"), "--port", host, "--region", REGION]
    environment = {
        **os.environ,
        "ROOT_ACCESS_KEY_ID": ACCOUNT["accessKeyId"],
        "ROOT_SECRET_ACCESS_KEY": ACCOUNT["secretAccessKey"],
    }
    log = folder / "versitygw.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603
            [*command, "--quiet", "posix", str(folder / "buckets")],
            env=environment,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            _wait_for_port(process, host, log)
            yield f"http://{host}"
        finally:
            process.terminate()


def _wait_for_port(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    """Wait until the server takes connections.

    Raises:
        LocalError: it has ended, or takes none in time.
    """
    address, _, port = host.rpartition(":")
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((address, int(port)), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise LocalError(f"the S3 server does not listen:\n{log.read_text()}")


def upload(endpoint: str, bucket: str, prefix: str, folder: Path) -> None:
    """Put all files of a folder into the bucket."""
    store = S3Store(
        bucket,
        endpoint=endpoint,
        region=REGION,
        access_key_id=ACCOUNT["accessKeyId"],
        secret_access_key=ACCOUNT["secretAccessKey"],
        client_options={"allow_http": True},
    )
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        obstore.put(store, f"{prefix}/{path.relative_to(folder).as_posix()}", path)
