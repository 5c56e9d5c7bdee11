"""What people are told of what obstore says, which is text of its version 0.12.

The texts below are its own, shortened in the middle; tests/integration/fetch_s3 has the real ones.
"""

import pytest

from modelyard_runtime.errors import CannotStart
from modelyard_runtime.fetch.faults import Changed, Damaged, Transient
from modelyard_runtime.fetch.s3_errors import (
    Answer,
    explain_body,
    explain_listing,
    explain_odd_name,
    read_answer,
)
from modelyard_runtime.fetch.s3_secret import S3Address, S3Keys

ADDRESS = S3Address("https://s3.example.com", "us-east-1", S3Keys("AKIAEXAMPLE", "hush"))
KEY = "llm/model.safetensors"


def answered(status, code="", message=""):
    xml = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if code else ""
    return (
        f"Generic S3 error: Error performing GET https://s3.example.com/m/{KEY} in 1.2ms - Server "
        f"returned non-2xx status code: {status}: {xml}\n\nDebug source:\nGeneric {{\n"
    )


def unsent(inner):
    return (
        "Generic S3 error: Error performing GET https://s3.example.com/m?list-type=2 in 1.2ms - "
        "HTTP error: error sending request\n\nDebug source:\nGeneric {\n  inner: Http(\n"
        f"    HttpError {{ kind: Connect, source: {inner} }}"
    )


ANSWERS = [
    pytest.param("Generic S3 error: Missing SecretAccessKey", Answer(0, "", ""), id="nobody's"),
    pytest.param(answered("404 Not Found"), Answer(404, "", ""), id="without a body"),
    pytest.param(
        answered("403 Forbidden", "AccessDenied", "Access &quot;Denied&quot;.\n "),
        Answer(403, "AccessDenied", 'Access "Denied"'),
        id="with one",
    ),
    pytest.param(
        answered("500 Internal Server Error", "InternalError", "x" * 500),
        Answer(500, "InternalError", "x" * 300),
        id="with a long one",
    ),
]


@pytest.mark.parametrize(("text", "expected"), ANSWERS)
def test_an_answer_is_read(text, expected):
    assert read_answer(text) == expected


BODIES = [
    pytest.param(answered("412 Precondition Failed", "PreconditionFailed", "At least one"),
                 Changed, f"{KEY} was replaced after it was listed", id="another ETag"),
    pytest.param(answered("404 Not Found", "NoSuchKey", "No such key."),
                 Changed, f"{KEY} was removed after it was listed", id="it is gone"),
    pytest.param(answered("416 Range Not Satisfiable", "InvalidRange", "No."), Damaged,
                 f"{KEY}: s3.example.com has fewer bytes of it than are here already",
                 id="it is shorter"),
    pytest.param("Generic S3 error: Received non-partial response when range requested", Damaged,
                 f"{KEY}: s3.example.com was asked for a part, and sends the whole", id="no parts"),
    pytest.param(answered("503 Service Unavailable", "SlowDown", "Reduce your rate."), Transient,
                 "s3.example.com answers 503 (SlowDown): Reduce your rate", id="it is busy"),
    pytest.param(answered("429 Too Many Requests"), Transient, "s3.example.com answers 429",
                 id="it wants fewer requests"),
    pytest.param("Generic S3 error: HTTP error: request or response body error\n\nDebug source:",
                 Transient, "s3.example.com: HTTP error: request or response body error",
                 id="the connection was cut"),
    pytest.param(
        unsent('ConnectError("tcp connect error", Os { code: 111, message: "Connection refused"})'),
        Transient, "s3.example.com: HTTP error: error sending request (Connection refused)",
        id="nobody listens"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "message"), BODIES)
def test_what_is_said_of_an_object_is_told(text, kind, message):
    fault = explain_body(text, KEY, ADDRESS)
    assert (type(fault), str(fault)) == (kind, message)


REFUSALS = [
    pytest.param(
        answered("404 Not Found", "NoSuchBucket", "No such bucket."),
        "ModelNotFound",
        "There is no bucket for s3://m: s3.example.com answers 404 (NoSuchBucket): No such bucket",
        id="no bucket",
    ),
    pytest.param(
        answered("403 Forbidden", "InvalidAccessKeyId", "It is in no record."),
        "Unauthorized",
        "S3 refuses s3://m: s3.example.com answers 403 (InvalidAccessKeyId): It is in no record. "
        "The Secret's keys were sent.",
        id="unknown keys",
    ),
    pytest.param(
        answered("400 Bad Request", "ExpiredToken", "It has expired."),
        "Unauthorized",
        "S3 refuses s3://m: s3.example.com answers 400 (ExpiredToken): It has expired. The "
        "Secret's keys were sent.",
        id="a session that is over",
    ),
    pytest.param(
        "Generic S3 error: Received redirect without LOCATION, this normally indicates",
        "DownloadFailed",
        "s3://m is not in the region us-east-1",
        id="AWS's answer for a bucket of another region",
    ),
    pytest.param(
        answered("400 Bad Request", "InvalidRequest", "No."),
        "DownloadFailed",
        "s3://m: s3.example.com answers 400 (InvalidRequest): No",
        id="something else",
    ),
    pytest.param(
        unsent("Custom { kind: InvalidData, error: InvalidCertificate( UnknownIssuer ) }"),
        "DownloadFailed",
        "s3.example.com shows a certificate that is not trusted here",
        id="a certificate of its own",
    ),
]


@pytest.mark.parametrize(("text", "reason", "message"), REFUSALS)
def test_what_is_said_of_a_list_is_told(text, reason, message):
    fault = explain_listing(text, "s3://m", ADDRESS)
    assert isinstance(fault, CannotStart)
    assert (fault.reason, fault.message) == (reason, message)
    assert fault.hint
    assert "hush" not in fault.message + fault.hint


def test_a_name_that_is_no_path_is_told():
    text = 'Encountered object with invalid path: Error parsing Path "m/../x": Encountered illegal'
    fault = explain_odd_name(text)
    assert fault.reason == "ModelUnsafe"
    assert "a file with the name 'm/../x', which could leave" in fault.message
