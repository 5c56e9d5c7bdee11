"""The ports for clients, closed together."""

import asyncio
from dataclasses import dataclass

from modelyard_runtime.grpc_listening import GrpcListener
from modelyard_runtime.listening import Listener


@dataclass(frozen=True, slots=True)
class Doors:
    """HTTP, open from the beginning for probes; and gRPC, which opens while the model loads."""

    http: Listener
    grpc: GrpcListener

    async def open(self) -> None:
        """Begin to accept HTTP connections."""
        await self.http.open()

    def stop_accepting(self) -> None:
        """Close the ports. What is open stays so, and what is inside is served."""
        self.http.stop_accepting()
        self.grpc.stop_accepting()

    async def outlast_clients(self, *, timeout_seconds: float) -> None:
        """Return when no HTTP connection is open; gRPC tells its clients when it goes."""
        await self.http.outlast_clients(timeout_seconds=timeout_seconds)

    async def finish(self, *, timeout_seconds: float) -> bool:
        """Close what is idle, and the rest as its answers end; True if all have in time."""
        finished = await asyncio.gather(
            self.http.finish(timeout_seconds=timeout_seconds),
            self.grpc.finish(timeout_seconds=timeout_seconds),
        )
        return all(finished)

    async def abort(self) -> None:
        """Leave clients as they are, and return."""
        await asyncio.gather(self.http.abort(), self.grpc.abort())
