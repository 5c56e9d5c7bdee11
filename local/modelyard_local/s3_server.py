"""A real S3 server on this machine: the Versity gateway over a folder."""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import programs
from .errors import LocalError
from .progress import Report, read_tail, to_stderr, wait_until

REGION = "us-east-1"
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Account:
    """Whose signatures the server takes."""

    access_key_id: str
    secret_access_key: str


@contextmanager
def serve(
    folder: Path,
    account: Account,
    *,
    address: str = "127.0.0.1",
    certificate: Mapping[str, bytes] | None = None,
    on_progress: Report = to_stderr,
) -> Iterator[str]:
    """Run a server with everything that it keeps in `folder`, and yield its endpoint.

    Its buckets are the folders in `folder/buckets`. `certificate` is the content of a Secret of
    the type kubernetes.io/tls.

    Raises:
        LocalError: it ends, or takes no connections in time.
    """
    with socket.create_server((address, 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--port", f"{address}:{port}", "--region", REGION, "--quiet"]
    for name, option in (("tls.crt", "--cert"), ("tls.key", "--key")):
        if certificate is not None:
            (folder / name).write_bytes(certificate[name])
            options += [option, str(folder / name)]
    data, log = folder / "buckets", folder / "versitygw.log"
    data.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "ROOT_ACCESS_KEY_ID": account.access_key_id,
        "ROOT_SECRET_ACCESS_KEY": account.secret_access_key,
    }
    program = programs.ensure("s3", report=on_progress) / "versitygw"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [program, *options, "posix", data], env=environment, stdout=output, stderr=output
        ) as process,
    ):
        try:
            wait_until(
                lambda: _is_ready(process, (address, port), log),
                title="starting the S3 server",
                timeout_seconds=_START_SECONDS,
                report=on_progress,
            )
            yield f"{'https' if certificate else 'http'}://{address}:{port}"
        finally:
            process.terminate()


def _is_ready(process: subprocess.Popen[bytes], server: tuple[str, int], log: Path) -> bool:
    if process.poll() is not None:
        raise LocalError(f"the S3 server has ended:\n{read_tail(log)}")
    try:
        socket.create_connection(server, timeout=5).close()
    except OSError:
        return False
    return True
