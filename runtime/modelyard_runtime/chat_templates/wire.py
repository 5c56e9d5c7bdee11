"""What the renderer and its child process say to each other: a line of JSON each way, in turn.

The parent begins with a `template` and its `variables`; every later line is a chat. Each answer is
an object of one key, an `Outcome`, with the text or the reason.
"""

import enum
import json
from typing import Any

#: Processor seconds for one answer. An honest template takes a few milliseconds for a long chat.
CPU_SECONDS = 1.0
#: Memory for all answers, on top of what Python takes itself. An honest template needs a few times
#: the size of a request.
MEMORY_BYTES = 128 * 1024 * 1024
#: Characters of the text: so many times those of the chat as it is sent, and a long preface. More
#: would only be the tokenizer's to suffer.
TEXT_FACTOR = 4
PREFACE_CHARACTERS = 1024 * 1024

#: How the child ends when it runs out of memory; a signal ends it when it runs out of time.
EXIT_NO_MEMORY = 3


class Outcome(enum.StrEnum):
    """How it went."""

    TEXT = "text"
    #: The template raised an error for this chat.
    REFUSED = "refused"
    #: It reached for Python's internals.
    UNSAFE = "unsafe"
    #: The text is longer than any honest one.
    TOO_LONG = "tooLong"
    #: The template is not Jinja.
    BROKEN = "broken"


def write_line(content: Any) -> bytes:
    """Return the content as a line.

    Raises:
        UnicodeEncodeError: a text has half of a surrogate pair, which is no character.
    """
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"
