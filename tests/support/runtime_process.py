"""The runtime as a process of its own, its log lines read as they come."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

CONFIG = '{"modelName": "tiny"}'
#: Only what hangs takes longer: an interpreter starts slowly beside tests that compute.
PATIENCE_SECONDS = 60


@dataclass
class RuntimeProcess:
    """A running process and what it has said: `lines` of its log, and `records` of accounts."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    _has_news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.event('listening')['port']}"

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self.event('listening')['internal_port']}"

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.event('listening_grpc')['port']}"

    def event(self, name: str) -> dict[str, Any]:
        return next(line for line in self.lines if line["event"] == name)

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def says(self, name: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait for a line of the log."""
        async with asyncio.timeout(seconds), self._has_news:
            await self._has_news.wait_for(lambda: any(x["event"] == name for x in self.lines))
        return self.event(name)

    async def writes_down(
        self, request_id: str, count: int, *, seconds: float = PATIENCE_SECONDS
    ) -> list[dict[str, Any]]:
        """Wait for so many records of a request, and return them."""
        async with asyncio.timeout(seconds), self._has_news:
            await self._has_news.wait_for(lambda: len(self.writes_of(request_id)) >= count)
        return self.writes_of(request_id)

    def writes_of(self, request_id: str) -> list[dict[str, Any]]:
        """Return the records of a request."""
        return [record for record in self.records if record["request_id"] == request_id]

    async def ends(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait for the end and return the exit code."""
        return await asyncio.wait_for(self.process.wait(), seconds)

    async def listen(self) -> None:
        await asyncio.gather(
            self._read(self.process.stderr, self.lines),
            self._read(self.process.stdout, self.records),
        )

    async def _read(self, stream: asyncio.StreamReader | None, into: list[dict[str, Any]]) -> None:
        assert stream is not None
        async for line in stream:
            async with self._has_news:
                into.append(json.loads(line))
                self._has_news.notify_all()


@asynccontextmanager
async def started(
    *, module: str = "tests.support.fake_runtime", config: str | None = CONFIG, **variables: str
) -> AsyncIterator[RuntimeProcess]:
    """Start the runtime on free ports; it is killed at the end if it still runs."""
    environment = {
        **os.environ,
        "MODELYARD_HOST": "127.0.0.1",
        "MODELYARD_PORT": "0",
        "MODELYARD_GRPC_PORT": "0",
        "MODELYARD_INTERNAL_PORT": "0",
        "MODELYARD_TERMINATION_LOG": "/nonexistent/termination-log",
        **variables,
    }
    if config is not None:
        environment["MODELYARD_CONFIG"] = config
    runtime = RuntimeProcess(
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    listening = asyncio.create_task(runtime.listen())
    try:
        yield runtime
    finally:
        if runtime.process.returncode is None:
            runtime.process.kill()
        await runtime.process.wait()
        await listening
