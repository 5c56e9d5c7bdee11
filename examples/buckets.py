"""A bucket for the examples, of an S3 server on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.store import S3Store

from modelyard_local import s3_server

#: Of a server that lives as long as one example.
_ACCOUNT = s3_server.Account("example", "example-secret")


def build_secret(endpoint: str) -> dict[str, str]:
    """Return what the Secret of a model in a bucket holds; its keys are for that endpoint only."""
    return {
        "accessKeyId": _ACCOUNT.access_key_id,
        "secretAccessKey": _ACCOUNT.secret_access_key,
        "endpoint": endpoint,
        "region": s3_server.REGION,
    }


@contextmanager
def serve(folder: Path, address: str, bucket: str) -> Iterator[str]:
    """Run an S3 server with a bucket, and yield its endpoint."""
    # A bucket is a folder of the server's.
    (folder / "buckets" / bucket).mkdir(parents=True)
    with s3_server.serve(folder, _ACCOUNT, address=address) as endpoint:
        yield endpoint


def upload(endpoint: str, bucket: str, prefix: str, folder: Path) -> None:
    """Put all files of a folder into the bucket."""
    store = S3Store(
        bucket,
        endpoint=endpoint,
        region=s3_server.REGION,
        access_key_id=_ACCOUNT.access_key_id,
        secret_access_key=_ACCOUNT.secret_access_key,
        client_options={"allow_http": True},
    )
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        obstore.put(store, f"{prefix}/{path.relative_to(folder).as_posix()}", path)
