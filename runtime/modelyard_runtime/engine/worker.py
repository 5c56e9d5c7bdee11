"""The one thread that owns the model: it loads it, takes commands, and computes step by step.

Torch keeps state per thread (its thread pool, CUDA graphs), and a model is not safe to call from
two threads. So commands go in through an inbox, and what comes out crosses back with
`loop.call_soon_threadsafe` only.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from modelyard_runtime.errors import Unavailable

log = logging.getLogger(__name__)

# A step is bounded by a token budget and takes at most seconds; one that takes this long hangs in
# a driver or a deadlock, and only a restart of the process helps.
_HANGS_AFTER_SECONDS = 300.0
_CLOSES_WITHIN_SECONDS = 30.0

Command = TypeVar("Command")
Taken_contra = TypeVar("Taken_contra", contravariant=True)
Result = TypeVar("Result")


class Core(Protocol[Taken_contra]):
    """What runs on the thread. Its methods are called there and nowhere else."""

    def accept(self, command: Taken_contra) -> None:
        """Take a command; a bad one fails its own request and raises nothing."""
        ...

    def has_work(self) -> bool:
        """Say whether `step` has anything to compute."""
        ...

    def step(self) -> None:
        """Compute a bounded piece of work. Raising ends the thread."""
        ...

    def abandon(self, fault: Unavailable) -> None:
        """Fail every request inside; nothing is called after it."""
        ...


class Worker(Generic[Command]):
    """A thread with an inbox. `start` builds its core on the thread; `close` ends it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._condition = threading.Condition()
        self._inbox: deque[Command] = deque()
        self._closing = False
        self._alive = False
        self._step_began: float | None = None
        self._thread: threading.Thread | None = None

    async def start(self, build: Callable[[], tuple[Core[Command], Result]]) -> Result:
        """Start the thread, build the core on it, and return what else `build` made.

        Raises:
            Exception: whatever `build` raised; the thread has ended then.
        """
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[Result] = loop.create_future()

        def main() -> None:
            try:
                core, result = build()
            except BaseException as error:  # noqa: BLE001 - it is raised where start is awaited
                _post(loop, _fail, ready, error)
                return
            self._alive = True
            _post(loop, _resolve, ready, result)
            self._serve(core)

        # Daemon: a process told to stop must not wait for a load or a hanging step.
        self._thread = threading.Thread(target=main, name=self._name, daemon=True)
        self._thread.start()
        return await ready

    def put(self, command: Command) -> None:
        """Hand over a command.

        Raises:
            Unavailable: the thread has ended or is told to.
        """
        with self._condition:
            if self._closing or not self._alive:
                raise Unavailable(_describe_end(closing=self._closing))
            self._inbox.append(command)
            self._condition.notify()

    def put_quietly(self, command: Command) -> None:
        """Hand over a command that means nothing to a thread that has ended."""
        with suppress(Unavailable):
            self.put(command)

    @property
    def alive(self) -> bool:
        """False once the thread has ended, or has been in one step for minutes."""
        began = self._step_began
        hangs = began is not None and time.monotonic() - began > _HANGS_AFTER_SECONDS
        return self._alive and not hangs

    async def close(self) -> None:
        """End the thread after its current step and wait for that."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        # Joined, not only told: a thread that frees tensors while the interpreter shuts down
        # aborts the process.
        if self._thread is not None and self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, _CLOSES_WITHIN_SECONDS)

    def _serve(self, core: Core[Command]) -> None:
        try:
            while self._take(core):
                self._step_began = time.monotonic()
                core.step()
                self._step_began = None
        except Exception:
            log.exception("engine_died", extra={"engine": self._name})
        finally:
            self._end(core)

    def _end(self, core: Core[Command]) -> None:
        with self._condition:
            self._alive = False
            closing = self._closing
            left = list(self._inbox)
            self._inbox.clear()
        for command in left:
            core.accept(command)
        core.abandon(Unavailable(_describe_end(closing=closing)))

    def _take(self, core: Core[Command]) -> bool:
        """Give the core all commands; wait for one while it has no work. False: end."""
        while True:
            with self._condition:
                while not (self._inbox or self._closing or core.has_work()):
                    self._condition.wait()
                if self._closing:
                    return False
                commands = list(self._inbox)
                self._inbox.clear()
            for command in commands:
                core.accept(command)
            if core.has_work():
                return True


def _describe_end(*, closing: bool) -> str:
    return "the model is being stopped" if closing else "the engine has died; it needs a restart"


def _post(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    # The loop may be gone when the process ends; then nobody waits for the result either.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *args)


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
