"""The line of a log that says why a process ended."""

import json

import pytest

from modelyard_operator.failures.last_words import find_last_words

TRACEBACK = """\
ine 38, in launch
    runner.run(serve())
  File "/opt/x/mmap_dict.py", line 64, in __init__
    self._f = open(filename)
              ^^^^^^^^^^^^^^
FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent/counter_1.db'
"""


def line(**fields):
    return json.dumps(fields)


LOGS = {
    "a traceback": (
        TRACEBACK,
        "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent/counter_1.db'",
    ),
    "an exception whose words have several lines": (
        '  File "x.py", line 1\ntorch.cuda.OutOfMemoryError: CUDA out of memory.\nTried 2 GiB.\n',
        "torch.cuda.OutOfMemoryError: CUDA out of memory.",
    ),
    "an exception without words": ('  File "x.py", line 1\nKeyError\n', "KeyError"),
    "a traceback in a line of the log": (
        line(level="info", event="listening")
        + "\n"
        + line(
            level="error",
            event="load_failed",
            error=f"Traceback (most recent call last):\n{TRACEBACK}",
        ),
        "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent/counter_1.db'",
    ),
    "an error that was logged, and what came after": (
        line(level="critical", event="engine_died", explanation="the thread has ended")
        + "\n"
        + line(level="info", event="exit", code=70),
        "the thread has ended",
    ),
    "an error without an explanation": (line(level="error", event="no_room"), "no_room"),
    "the interpreter's end": (
        "Fatal Python error: init_fs_encoding: failed\nPython runtime state: core initialized\n",
        "Fatal Python error: init_fs_encoding: failed",
    ),
    "native code": (
        "loading\nterminate called after throwing an instance of 'c10::Error'\n",
        "terminate called after throwing an instance of 'c10::Error'",
    ),
    "a program that cannot be run": (
        "exec /usr/bin/python: exec format error",
        "exec /usr/bin/python: exec format error",
    ),
    "nothing that is known": ("one\ntwo\n", ""),
    "JSON that is cut": ('{"level":"error","event":', ""),
    "JSON that is none of ours": ('{"a": 1}', ""),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("sentence", LOGS)
def test_the_last_words_are_found(sentence):
    log, words = LOGS[sentence]
    assert find_last_words(log) == words
