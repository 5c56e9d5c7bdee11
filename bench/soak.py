"""Many requests of all kinds, and what becomes of the memory of those who answer: `make soak`.

Three models, each served by `modelyard serve` on loopback, are asked by 16 clients at once: by
`/predict`, OpenAI's API and the Open Inference Protocol in JSON, in bytes and over gRPC; one in ten
is a wrong request, and some are given up. bench/README.md says what each figure means.
"""

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import grpc.aio

from bench import running
from bench.figures import Figures
from bench.model_processes import Server, serving
from bench.soak_requests import ASKS, Ask, Asker
from bench.usage import read_rss_mib
from examples.demo import EXAMPLES, make_model
from modelyard_local.errors import LocalError
from modelyard_local.progress import to_stderr

CLIENTS = 16
#: So often memory is looked at.
LOOKS = 40
#: From the middle to the end, memory may grow by as much: allocators keep what they once had.
TOLERANCE_MIB = 32.0
#: Fewer requests have not yet seen each kind in each company, and so are not judged.
JUDGED_REQUESTS = 10_000
#: A generation takes a hundred times as long as the rest.
WEIGHTS = {"smollm2": 1, "minilm": 39, "sentiment": 160}


def draw_asks(count: int, seed: int) -> Iterator[tuple[str, Ask]]:
    """Yield so many models and kinds of request, the same ones for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    models = list(WEIGHTS)
    for _ in range(count):
        (model,) = draw.choices(models, list(WEIGHTS.values()))
        yield model, draw.choice(ASKS[model])


class Memory:
    """The memory of the processes, looked at again and again."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self.seen: dict[str, list[tuple[int, float]]] = {name: [] for name in pids}

    def look(self, requests: int) -> None:
        """Note what each has after so many requests."""
        for name, pid in self._pids.items():
            self.seen[name].append((requests, read_rss_mib(pid)))
        told = ", ".join(f"{name} {seen[-1][1]:.0f}" for name, seen in self.seen.items())
        to_stderr(f"{requests} requests: {told} MiB")


def summarise_memory(seen: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Return start, middle, end, and the slope of the second half."""
    half = seen[len(seen) // 2 :]
    return {
        "rss_mib_start": seen[0][1],
        "rss_mib_middle": half[0][1],
        "rss_mib_end": seen[-1][1],
        "kib_per_1000_requests": round(fit_slope(half) * 1024 * 1000, 2),
    }


def fit_slope(points: Sequence[tuple[int, float]]) -> float:
    """Return the slope of the straight line with the least squares of its distances."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if not spread:
        return 0.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def check_flat(figures: Mapping[str, Mapping[str, float]]) -> None:
    """Refuse memory that grows on and on.

    Raises:
        LocalError: it does.
    """
    for name, memory in figures.items():
        grown = memory["rss_mib_end"] - memory["rss_mib_middle"]
        if grown > TOLERANCE_MIB:
            raise LocalError(f"{name} has grown by {grown:.0f} MiB in the second half")


async def soak(servers: Mapping[str, Server], count: int, seed: int) -> Figures:
    """Send the requests, and return what became of them and of the memory."""
    memory = Memory({name: server.pid for name, server in servers.items()})
    outcomes: Counter[str] = Counter()
    async with ExitAsking(servers) as askers:
        # Caches and pools fill in the first requests of each kind.
        for model, asks in ASKS.items():
            for ask in asks:
                await askers[model].ask(ask)
        memory.look(0)
        asks_left = draw_asks(count, seed)
        done = 0

        async def work() -> None:
            nonlocal done
            for model, ask in asks_left:
                outcomes[f"{model} {ask.kind}: {await askers[model].ask(ask)}"] += 1
                done += 1
                if done % max(count // LOOKS, 1) == 0:
                    memory.look(done)

        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(work())
        seconds = loop.time() - began
    found = {name: summarise_memory(seen) for name, seen in memory.seen.items()}
    if count >= JUDGED_REQUESTS:
        check_flat(found)
    return {
        **found,
        "outcomes": dict(sorted(outcomes.items())),
        "requests_per_second": round(count / seconds, 1),
    }


class ExitAsking:
    """The connections to all servers, one asker for each."""

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers = servers
        self._channels: list[grpc.aio.Channel] = []

    async def __aenter__(self) -> dict[str, Asker]:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        askers: dict[str, Asker] = {}
        for name, server in self._servers.items():
            channel = grpc.aio.insecure_channel(server.grpc_address)
            self._channels.append(channel)
            askers[name] = Asker(self._session, channel, server.url, server.model)
        return askers

    async def __aexit__(self, *_: object) -> None:
        for channel in self._channels:
            await channel.close()
        await self._session.close()


@contextmanager
def serving_all(folder: Path) -> Iterator[dict[str, Server]]:
    """Make and serve the models until the end of the block."""
    with ExitStack() as stack:
        servers = {}
        for example in EXAMPLES:
            model = folder / example.name
            to_stderr(f"making and starting {example.name}")
            make_model(example, model)
            servers[example.name] = stack.enter_context(
                serving(model, folder / f"{example.name}.log")
            )
        yield servers


def main() -> None:
    """Read the command line, and soak."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is asked (%(default)s)")
    options = parser.parse_args()

    def measure() -> Figures:
        with tempfile.TemporaryDirectory() as folder, serving_all(Path(folder)) as servers:
            return asyncio.run(soak(servers, options.requests, options.seed))

    running.run(
        "soak",
        "bench.soak",
        options,
        measure,
        packages=("torch", "transformers", "grpcio", "uvicorn", "numpy"),
        settings={"clients": CLIENTS, "weights": WEIGHTS},
    )


if __name__ == "__main__":
    main()
