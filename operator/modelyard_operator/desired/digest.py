"""Short hashes of plain data, the same in every process and release."""

from hashlib import blake2b
from typing import Any

import orjson

#: 10 bytes: no accidental collision among millions of templates, and fits any label.
_SIZE = 10


def digest(data: Any) -> str:
    """Return a hash of JSON data that does not depend on the order of keys."""
    return blake2b(orjson.dumps(data, option=orjson.OPT_SORT_KEYS), digest_size=_SIZE).hexdigest()
