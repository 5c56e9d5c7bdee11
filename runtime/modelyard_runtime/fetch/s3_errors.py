"""Turns what S3 and the network say into reasons that a person can act on: pure.

obstore raises few kinds of exceptions; status, code and message stand in their texts only. Texts
are made here rather than taken over: its own end with many lines for its developers.
"""

import re
from dataclasses import dataclass
from html import unescape

from modelyard_api.meta import (
    SECRET_ACCESS_KEY_ID_KEY,
    SECRET_ACCESS_KEY_KEY,
    SECRET_HOST_KEY,
    SECRET_REGION_KEY,
    Reason,
)
from modelyard_runtime.errors import CannotStart, RuntimeFault
from modelyard_runtime.fetch.faults import Changed, Damaged, Transient
from modelyard_runtime.fetch.s3_secret import S3Address

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,600})</Message>")
_PATH = re.compile(r'Path "(.{0,200}?)"', re.DOTALL)
#: What the network says stands in the innermost of the errors that obstore prints.
_INNER = re.compile(r'(?:message: |error: |Custom\([^"]*|kind: \w+,\s*)"([^"]{1,200})"')
_CERTIFICATE = re.compile(r"InvalidCertificate|invalid peer certificate|UnknownIssuer")
_NO_PARTS = "non-partial response when range requested"
_OTHER_REGION = "redirect without LOCATION"

_UNAUTHORIZED = frozenset({401, 403})
#: Refusals of the keys that come with another status; XAdminUserNotFound is the Versity gateway's.
_UNAUTHORIZED_CODES = frozenset(
    {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "XAdminUserNotFound"}
)
_REGION_CODES = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect"})
_NOT_FOUND = 404
_CHANGED = 412
_NO_SUCH_RANGE = 416
_TRY_LATER = frozenset({408, 425, 429})
_SERVER_FAILS = 500
_LONGEST_WORDS = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; 0 and empty where nobody did."""

    status: int
    code: str
    message: str


def read_answer(text: str) -> Answer:
    """Read the text of an exception of obstore's."""
    status, code, message = _STATUS.search(text), _CODE.search(text), _MESSAGE.search(text)
    return Answer(
        int(status[1]) if status else 0,
        code[1] if code else "",
        " ".join(unescape(message[1]).split())[:_LONGEST_WORDS].rstrip(".") if message else "",
    )


def explain_listing(text: str, uri: str, address: S3Address) -> RuntimeFault:
    """Return the fault for a list that was not had, by the text of obstore's exception."""
    answer = read_answer(text)
    if answer.status == _NOT_FOUND and answer.code not in _UNAUTHORIZED_CODES:
        return CannotStart(
            Reason.MODEL_NOT_FOUND,
            f"There is no bucket for {uri}: {_quote(answer, address)}",
            hint=f"Check spec.model.uri, and that the bucket is at {address.endpoint}.",
        )
    return _explain(text, answer, uri, address)


def explain_body(text: str, key: str, address: S3Address) -> RuntimeFault:
    """Return the fault for an object that was not had, by the text of obstore's exception."""
    answer = read_answer(text)
    if answer.status == _CHANGED:
        return Changed(f"{key} was replaced after it was listed")
    if answer.status == _NOT_FOUND and answer.code not in _UNAUTHORIZED_CODES:
        return Changed(f"{key} was removed after it was listed")
    if answer.status == _NO_SUCH_RANGE:
        return Damaged(f"{key}: {address.host} has fewer bytes of it than are here already")
    if _NO_PARTS in text:
        return Damaged(f"{key}: {address.host} was asked for a part, and sends the whole")
    return _explain(text, answer, key, address)


def explain_odd_name(text: str) -> CannotStart:
    """Return the refusal of a list with a name that obstore takes for no path."""
    found = _PATH.search(text)
    name = repr(found[1]) if found else "that is no path"
    return CannotStart(
        Reason.MODEL_UNSAFE,
        f"The bucket lists a file with the name {name}, which could leave the model folder",
        hint="Check who writes to the bucket; remove or rename that object.",
    )


def _explain(text: str, answer: Answer, what: str, address: S3Address) -> RuntimeFault:
    if answer.code in _REGION_CODES or _OTHER_REGION in text:
        return _explain_region(answer, what, address)
    if answer.status in _UNAUTHORIZED or answer.code in _UNAUTHORIZED_CODES:
        return _explain_refusal(answer, what, address)
    if answer.status >= _SERVER_FAILS or answer.status in _TRY_LATER:
        return Transient(_quote(answer, address))
    if answer.status:
        return CannotStart(
            Reason.DOWNLOAD_FAILED,
            f"{what}: {_quote(answer, address)}",
            hint=f"Check spec.model.uri, and that an S3 server answers at {address.endpoint}.",
        )
    if _CERTIFICATE.search(text):
        return CannotStart(
            Reason.DOWNLOAD_FAILED,
            f"{address.host} shows a certificate that is not trusted here",
            hint="A server with a certificate of its own needs a runtime image that trusts its "
            "authority (SSL_CERT_FILE).",
        )
    return Transient(f"{address.host}: {_find_cause(text)}")


def _explain_region(answer: Answer, what: str, address: S3Address) -> CannotStart:
    said = f": {_quote(answer, address)}" if answer.status else ""
    return CannotStart(
        Reason.DOWNLOAD_FAILED,
        f"{what} is not in the region {address.region}{said}",
        hint=f"Name the bucket's region: key {SECRET_REGION_KEY!r} of the Secret, or "
        "policy.s3.region of the chart.",
    )


def _explain_refusal(answer: Answer, what: str, address: S3Address) -> CannotStart:
    if address.keys is None:
        given, hint = "No keys were sent", "It is not open to everybody, or there is no such bucket"
    else:
        given = "The Secret's keys were sent"
        hint = "Check that they are valid and may list the bucket and get its objects"
    return CannotStart(
        Reason.UNAUTHORIZED,
        f"S3 refuses {what}: {_quote(answer, address)}. {given}.",
        # No word in the place of a key: what follows these names is masked, whatever it is.
        hint=f"{hint}. The keys belong into a Secret that spec.model.secretRef names: kubectl "
        f"create secret generic NAME --from-literal={SECRET_HOST_KEY}={address.host} "
        f"--from-literal={SECRET_ACCESS_KEY_ID_KEY}=… --from-literal={SECRET_ACCESS_KEY_KEY}=…",
    )


def _quote(answer: Answer, address: S3Address) -> str:
    code = f" ({answer.code})" if answer.code else ""
    message = f": {answer.message}" if answer.message else ""
    return f"{address.host} answers {answer.status}{code}{message}"


def _find_cause(text: str) -> str:
    """Return what is told of a connection that failed."""
    inner = _INNER.findall(text)
    first = text.partition("\n")[0].rpartition(" - ")[2].removeprefix("Generic S3 error: ")
    return f"{first} ({inner[-1]})" if inner else first
