"""Text from a model pod, made fit for a status: bounded, printable, and without secrets."""

import re
import unicodedata

_SECRETS = (
    # name=value, name: value, "name": "value" where the name says it is a secret; a short number
    # is a count of tokens
    re.compile(
        r"(?i)([\"']?[\w.-]*(?:token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|credential)"
        r"[\w.-]*[\"']?\s*[:=]\s*[\"']?)(?!\d{1,7}\b)[^\s\"',;}]{4,}"
    ),
    re.compile(r"(?i)((?:authorization[\"']?\s*[:=]\s*[\"']?)?(?:bearer|basic)\s+)[\w.~+/=-]{8,}"),
    # user:password@ in a URL
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)"),
    # signed URLs
    re.compile(
        r"(?i)([?&](?:x-amz-(?:signature|credential|security-token)|sig|signature)=)[^\s&]+"
    ),
)
_BARE = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}"
    r"|AKIA[0-9A-Z]{16}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+)"
)
_MASK = "***"
#: The longest rest of a line that a tail does without.
_TORN_LIMIT = 160

_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def clean_message(text: str, limit: int) -> str:
    """Return the beginning of a text within `limit` characters, redacted and on one line.

    `kubectl describe` and tables are not made for a message with line breaks.
    """
    text = " ".join(_clean(text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_tail(text: str, limit: int) -> str:
    """Return the end of a text within `limit` characters, redacted; it begins with a whole line.

    Unless that line is so long that much would be lost.
    """
    text = _clean(text)
    if len(text) <= limit:
        return text
    end = text[len(text) - limit + 1 :]
    torn, _, whole = end.partition("\n")
    return f"…\n{whole}" if whole and len(torn) <= _TORN_LIMIT else f"…{end}"


def _clean(text: str) -> str:
    """Redact before anything is cut, since a secret cut in half is not recognised any more.

    Control characters go: the API server's parser of applied YAML refuses them.
    """
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<1>{_MASK}", text)
    text = _BARE.sub(_MASK, text)
    kept = (c for c in text if c in "\n\t" or unicodedata.category(c) not in _UNPRINTABLE)
    return "".join(kept).strip()
