"""What answers and broken connections mean."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from huggingface_hub.utils import hf_raise_for_status

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import RateLimited, Transient
from modelyard_runtime.fetch.hub_errors import translated_hub_errors

ENDPOINT = "https://hub.example.com/mirror"
SIGNED = "https://storage.example.com/file?X-Amz-Signature=s1gned"


def answer(status, headers=None, url=f"{ENDPOINT}/api/models/acme/tiny"):
    """Raise what the library makes of an answer, as it is translated."""
    response = httpx2.Response(status, headers=headers, request=httpx2.Request("GET", url))
    with translated_hub_errors("acme/tiny", endpoint=ENDPOINT, has_token=False):
        hf_raise_for_status(response)


LATER = [
    pytest.param(500, {}, 0, id="the server fails"),
    pytest.param(503, {"Retry-After": "7"}, 7, id="seconds to wait"),
    pytest.param(429, {"RateLimit": '"api";r=0;t=55', "Retry-After": "7"}, 55, id="a rate limit"),
    pytest.param(429, {"RateLimit": '"api";r=9;t=55', "Retry-After": "7"}, 7, id="room left"),
    pytest.param(408, {"Retry-After": "soon"}, 0, id="no number"),
    pytest.param(425, {}, 0, id="too early"),
]


@pytest.mark.parametrize(("status", "headers", "seconds"), LATER)
def test_what_may_work_later_is_tried_again(status, headers, seconds):
    with pytest.raises(Transient, match=f"hub.example.com answers {status}") as caught:
        answer(status, headers)
    assert caught.value.retry_after_seconds == seconds
    assert isinstance(caught.value, RateLimited) == (status == 429)


def test_a_date_to_come_back_is_understood():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    with pytest.raises(Transient) as caught:
        answer(503, {"Retry-After": date})
    assert 90 < caught.value.retry_after_seconds <= 100


@pytest.mark.parametrize("status", [400, 403, 404])
def test_storage_that_refuses_is_asked_anew_and_its_address_not_told(status):
    with pytest.raises(Transient, match=rf"^storage.example.com answers {status}$"):
        answer(status, url=SIGNED)


FINAL = [
    (
        401,
        {},
        "Unauthorized",
        "The hub refuses acme/tiny: hub.example.com answers 401. No token was sent.",
    ),
    (
        403,
        {"X-Error-Message": "Access to this resource is disabled."},
        "Unauthorized",
        (
            "The hub refuses acme/tiny: hub.example.com answers 403: Access to this resource is "
            "disabled. No token was sent."
        ),
    ),
    (410, {}, "ModelNotFound", "The hub does not know acme/tiny: hub.example.com answers 410"),
    (
        451,
        {"X-Error-Message": "x" * 999},
        "DownloadFailed",
        f"acme/tiny: hub.example.com answers 451: {'x' * 300}",
    ),
]


@pytest.mark.parametrize(("status", "headers", "reason", "message"), FINAL)
def test_what_another_try_does_not_mend_is_told(status, headers, reason, message):
    with pytest.raises(CannotStart) as caught:
        answer(status, headers)
    assert (caught.value.reason, caught.value.message) == (reason, message)
    assert caught.value.hint


BROKEN = [
    (httpx2.ReadTimeout(""), "storage.example.com: ReadTimeout (ReadTimeout)"),
    (httpx2.ConnectError("refused"), "storage.example.com: refused (ConnectError)"),
    (
        httpx2.RemoteProtocolError("peer closed"),
        "storage.example.com: peer closed (RemoteProtocolError)",
    ),
]


@pytest.mark.parametrize(("error", "message"), BROKEN)
def test_a_broken_connection_names_the_host_and_not_the_address(error, message):
    error.request = httpx2.Request("GET", SIGNED)
    with (
        pytest.raises(Transient) as caught,
        translated_hub_errors("acme/tiny", endpoint=ENDPOINT, has_token=False),
    ):
        raise error
    assert str(caught.value) == message


def test_without_a_request_the_endpoint_is_named():
    with (
        pytest.raises(Transient, match=r"^hub.example.com: no way \(ProxyError\)$"),
        translated_hub_errors("acme/tiny", endpoint=ENDPOINT, has_token=False),
    ):
        raise httpx2.ProxyError("no way")


def test_a_certificate_that_is_not_trusted_is_told_at_once():
    text = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"
    with (
        pytest.raises(CannotStart, match="certificate that is not trusted here") as caught,
        translated_hub_errors("acme/tiny", endpoint=ENDPOINT, has_token=False),
    ):
        raise httpx2.ConnectError(text)
    assert caught.value.reason == "DownloadFailed"
