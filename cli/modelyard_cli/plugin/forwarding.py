"""A loopback port that leads to a model's Service, by `kubectl port-forward`.

Not by the API server's own proxy of Services, which needs no kubectl: its requests come from the
control plane's address. That has no route to pods on many clusters, and a model's NetworkPolicy
lets in its own namespace only. A forwarded port comes out inside the pod, behind both, wherever
`kubectl logs` works.
"""

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from modelyard_api.meta import SERVICE_PORT
from modelyard_cli.errors import CommandFailed
from modelyard_cli.plugin.text import clean

_FORWARDING: Final = re.compile(rb"Forwarding from (127\.0\.0\.1:\d+) -> ")
_START_SECONDS: Final = 30.0
_END_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How kubectl gets to the same cluster; what is empty it finds out as we did."""

    kubeconfig: str = ""
    context: str = ""

    def build_command(
        self, kubectl: str, namespace: str, service: str, port: int = SERVICE_PORT
    ) -> list[str]:
        """Return the command. kubectl chooses the port, and a ready pod before others."""
        login = (("--kubeconfig", self.kubeconfig), ("--context", self.context))
        return [
            *(kubectl, "port-forward", "--address=127.0.0.1"),
            *(f"{option}={value}" for option, value in login if value),
            *("-n", namespace, f"service/{service}", f":{port}"),
        ]


@dataclass(slots=True)
class Tunnel:
    """An open port, and what kubectl has complained about since."""

    address: str
    complaints: deque[str] = field(default_factory=lambda: deque(maxlen=20))


@asynccontextmanager
async def forwarded(
    reach: Reach, namespace: str, service: str, port: int = SERVICE_PORT
) -> AsyncIterator[Tunnel]:
    """Open a tunnel; it is closed, and kubectl has ended, when the block is left.

    Raises:
        CommandFailed: there is no kubectl, or it cannot.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise CommandFailed("there is no kubectl in PATH", cure="Install it: it makes the tunnel.")
    command = reach.build_command(kubectl, namespace, service, port)
    # In our own process group: a login program of the kubeconfig may want the terminal.
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    tunnel = Tunnel("")
    listening = asyncio.create_task(_listen(process, tunnel))
    try:
        tunnel.address = await _read_address(process, listening, tunnel)
        yield tunnel
    finally:
        await _end(process)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(process: Process, tunnel: Tunnel) -> None:
    """Keep what it complains about, so that its pipe never fills."""
    if process.stderr is not None:
        async for line in process.stderr:
            tunnel.complaints.append(clean(line.decode(errors="replace")))


async def _read_address(process: Process, listening: asyncio.Task[None], tunnel: Tunnel) -> str:
    line = b""
    if process.stdout is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                line = await process.stdout.readline()
                if not line:
                    await listening  # it has ended: its last words are in this pipe
    found = _FORWARDING.match(line)
    if found is None:
        why = tunnel.complaints[-1] if tunnel.complaints else "it does not say why"
        raise CommandFailed(
            f"kubectl port-forward does not get to the model ({why.removeprefix('error: ')})",
            cure="It needs the rights to get services, list pods and create pods/portforward.",
        )
    return found.group(1).decode()


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
