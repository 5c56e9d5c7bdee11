"""Turns what the hub and the network raise into reasons that a person can act on.

Texts are made here rather than taken over: the library's carry addresses, and those behind a
redirect are signed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from time import time

import httpx2
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

from modelyard_api.meta import SECRET_HOST_KEY, SECRET_TOKEN_KEY, Reason
from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import RateLimited, Transient

_UNAUTHORIZED = frozenset({401, 403})
_NOT_FOUND = frozenset({404, 410})
_TRY_LATER = frozenset({408, 425})
_TOO_MANY_REQUESTS = 429
_SERVER_FAILS = 500
_BAD_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
_LONGEST_WORDS = 300


@contextmanager
def translated_hub_errors(what: str, *, endpoint: str, has_token: bool) -> Iterator[None]:
    """Raise Transient or CannotStart for what goes wrong inside; `what` was asked for."""
    home = httpx2.URL(endpoint)
    try:
        yield
    except HfHubHTTPError as error:
        raise explain(error, what, home=home, has_token=has_token) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        host = _host_of(error) or home.netloc.decode()
        text = str(error) or type(error).__name__
        if _BAD_CERTIFICATE in text:
            raise CannotStart(
                Reason.DOWNLOAD_FAILED,
                f"{host} shows a certificate that is not trusted here: {text}",
                hint="A proxy or mirror with a certificate of its own needs a runtime image that "
                "trusts its authority (SSL_CERT_FILE).",
            ) from error
        raise Transient(f"{host}: {text} ({type(error).__name__})") from error


def explain(
    error: HfHubHTTPError, what: str, *, home: httpx2.URL, has_token: bool
) -> CannotStart | Transient:
    """Return the reason, message and hint for an answer that is not the one hoped for."""
    response = error.response
    status, host = response.status_code, response.url.netloc.decode()
    said = " ".join((error.server_message or "").split())[:_LONGEST_WORDS].rstrip(".")
    answered = f"{host} answers {status}" + (f": {said}" if said else "")
    away = response.url.origin != home.origin
    if status == _TOO_MANY_REQUESTS:
        return RateLimited(
            f"{answered} (too many requests)", retry_after_seconds=_read_retry_after(response)
        )
    # Storage behind a redirect refuses when a signed address is too old; the hub signs a new one.
    if status >= _SERVER_FAILS or status in _TRY_LATER or away:
        return Transient(answered, retry_after_seconds=_read_retry_after(response))
    if status in _UNAUTHORIZED:
        return _unauthorized(error, what, answered, host=host, has_token=has_token)
    if status in _NOT_FOUND:
        revision = isinstance(error, RevisionNotFoundError)
        field = "spec.model.revision" if revision else "spec.model.uri"
        return CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"The hub does not know {what}: {answered}",
            hint=f"Check {field}; upper and lower case count.",
        )
    return CannotStart(
        Reason.DOWNLOAD_FAILED,
        f"{what}: {answered}",
        hint="Check spec.model.uri, and the endpoint in the platform's policy.",
    )


def _unauthorized(
    error: HfHubHTTPError, what: str, answered: str, *, host: str, has_token: bool
) -> CannotStart:
    given = "The Secret's token was sent" if has_token else "No token was sent"
    if isinstance(error, GatedRepoError):
        hint = "The repository is gated: accept its terms on the hub with the account of the token"
    elif has_token:
        hint = "Check that the token is valid and may read this repository"
    else:
        hint = "The repository is private, or does not exist (the hub answers both alike)"
    return CannotStart(
        Reason.UNAUTHORIZED,
        f"The hub refuses {what}: {answered}. {given}.",
        # No word in the place of the token: what follows this key is masked, whatever it is.
        hint=f"{hint}. The token belongs into a Secret that spec.model.secretRef names: kubectl "
        f"create secret generic NAME --from-literal={SECRET_HOST_KEY}={host} "
        f"--from-literal={SECRET_TOKEN_KEY}=…",
    )


def _read_retry_after(response: httpx2.Response) -> float:
    """Return what the server asks for, in whichever of the three ways."""
    limit = parse_ratelimit_headers(response.headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time(), 0.0)
    except ValueError:
        return 0.0


def _host_of(error: httpx2.HTTPError | httpx2.InvalidURL) -> str:
    try:
        request = error.request if isinstance(error, httpx2.HTTPError) else None
    except RuntimeError:  # it was raised before there was a request
        return ""
    return request.url.netloc.decode() if request is not None else ""
