"""Plain signed requests to an S3 server: AWS Signature Version 4, as its documentation has it."""

import hashlib
import hmac
import http.client
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from modelyard_local.s3_server import REGION, Account


def send(method: str, url: str, account: Account, body: bytes = b"", query: str = "") -> bytes:
    """Send a request, and return the answer's body; `query` is one name, `policy` for example."""
    parts = urlsplit(url)
    path = quote(parts.path)
    headers = _sign(account, method, parts.netloc, path, body=body, query=query)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, f"{path}?{query}" if query else path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    assert answer.status < 300, (method, url, answer.status, text)
    return text


def _sign(
    account: Account, method: str, host: str, path: str, *, body: bytes, query: str
) -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": now}
    names = ";".join(headers)
    lines = [f"{name}:{value}" for name, value in headers.items()]
    asked = f"{query}=" if query else ""
    canonical = "\n".join([method, path, asked, *lines, "", names, digest])
    scope = [now[:8], REGION, "s3", "aws4_request"]
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", now, "/".join(scope), hashed])
    key = f"AWS4{account.secret_access_key}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"{account.access_key_id}/{'/'.join(scope)}"
    said = f"Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "Authorization": f"AWS4-HMAC-SHA256 {said}"}
