"""Keeps torch's exporters and compilers from telling of their insides: logs are lines of JSON."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

_TALKATIVE = ("torch", "torch.onnx", "torch.export", "onnxscript", "onnx_ir")


@contextmanager
def silenced_libraries() -> Iterator[None]:
    """Let only errors be told inside.

    What is printed is dropped, and a graph is printed where it cannot be exported. Our own log has
    its stream already.
    """
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    sink = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(sink), redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
