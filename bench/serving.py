"""Measures the runtime beside plain transformers: `make bench-runtime`.

SmolLM2 chats and MiniLM embeddings through `modelyard serve` on loopback, by 1 and by 16 clients;
beside them the same work in plain transformers, offline, in batches of 1 and 16, turn by turn on
the same weights and threads; and how long starts take, as a process and as a pod of a real node.
bench/README.md says what each figure means.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bench import figures, running, usage
from bench.figures import Figures
from bench.load import Chat, load_chats, load_embeddings
from bench.model_processes import Offline, Server, computing, serving
from bench.pods import measure_pods
from examples.demo import EXAMPLES, make_model
from modelyard_local.errors import LocalError
from modelyard_local.progress import to_stderr
from modelyard_runtime.capacity import read_capacity

CLIENTS = (1, 16)
STARTS = 3
MAX_TOKENS = 64
CHATS = {1: 2, 16: 16}
TEXTS = {1: 160, 16: 480}
#: Embeddings may differ so much from those of plain transformers, number by number.
EMBEDDING_TOLERANCE = 1e-4
#: So many answers must be the same, letter by letter. Not all: sums in another order can turn the
#: choice between two tokens of nearly the same score.
SAME_ANSWERS = 0.75

_TOPICS = (
    *("the sea", "a lost dog", "winter", "bread", "trains", "the moon", "a lighthouse", "bees"),
    *("a clockmaker", "rivers", "a market", "volcanoes", "a library", "rain", "chess", "a desert"),
)
_SENTENCES = (
    "The harbour was quiet before the boats came in.",
    "Interest rates were left unchanged for the third month in a row.",
    "She fixed the bicycle with a piece of wire.",
    "A recipe for soup that needs nothing but carrots, ginger and time.",
    "The committee will publish its findings after the summer.",
)

_EPILOG = """\
examples:
  make bench-runtime
  make bench-runtime PODS=0           without the cluster: no root, no images, three minutes less
  python -m bench.serving --rounds 5 --no-pods
"""


def measure_chats(server: Server, offline: Offline, rounds: int) -> Figures:
    """Chats by 1 and 16 clients, each beside a batch as large; the first round is the warm-up."""
    found = {f"clients_{clients}": _Rounds() for clients in CLIENTS}
    for number in range(rounds + 1):
        say_round(number, rounds)
        for clients in CLIENTS:
            prompts = build_prompts(CHATS[clients])
            load = load_chats(
                server.url, server.model, prompts, clients=clients, max_tokens=MAX_TOKENS
            )
            plain = [
                offline.ask({"prompts": prompts[start : start + clients], "max_tokens": MAX_TOKENS})
                for start in range(0, len(prompts), clients)
            ]
            if number == 0:
                continue
            kept = found[f"clients_{clients}"]
            kept.answers += load.answers
            kept.plain_texts += [text for answer in plain for text in answer["texts"]]
            kept.served.append(sum(chat.tokens for chat in load.answers) / load.seconds)
            tokens = sum(sum(answer["tokens"]) for answer in plain)
            kept.plain.append(tokens / sum(answer["seconds"] for answer in plain))
    return {name: kept.summarise() for name, kept in found.items()}


class _Rounds:
    """What the rounds of one number of clients gave."""

    def __init__(self) -> None:
        self.answers: list[Chat] = []
        self.plain_texts: list[str] = []
        self.served: list[float] = []
        self.plain: list[float] = []

    def summarise(self) -> Figures:
        same = sum(
            chat.text.strip() == text.strip()
            for chat, text in zip(self.answers, self.plain_texts, strict=True)
        ) / len(self.answers)
        if same < SAME_ANSWERS:
            raise LocalError(
                f"only {same:.0%} of the answers are those of plain transformers: not measured, "
                "since fast and wrong is no result"
            )
        return {
            **compare(self.served, self.plain, "tokens_per_second"),
            "first_token_ms": figures.spread_ms([chat.first_seconds for chat in self.answers]),
            "tokens_per_answer": sum(chat.tokens for chat in self.answers) / len(self.answers),
            "same_answers_percent": round(100 * same, 1),
        }


def measure_embeddings(server: Server, offline: Offline, rounds: int) -> Figures:
    """Single texts by 1 and 16 clients, beside batches of 1 and 16; the first round warms up."""
    served: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    plain: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    worst = 0.0
    for number in range(rounds + 1):
        say_round(number, rounds)
        for clients in CLIENTS:
            texts = build_texts(TEXTS[clients])
            load = load_embeddings(server.url, server.model, texts, clients=clients)
            answer = offline.ask({"texts": texts, "batch": clients})
            worst = max(worst, find_largest_difference(load.answers, answer["vectors"]))
            if number:
                served[clients].append(len(texts) / load.seconds)
                plain[clients].append(len(texts) / answer["seconds"])
    if worst > EMBEDDING_TOLERANCE:
        raise LocalError(f"embeddings differ from those of plain transformers by {worst:.2g}")
    return {
        **{
            f"clients_{clients}": compare(served[clients], plain[clients], "texts_per_second")
            for clients in CLIENTS
        },
        "largest_difference": f"{worst:.1e}",
    }


def say_round(number: int, rounds: int) -> None:
    """Show that it goes on."""
    to_stderr(f"  round {number} of {rounds}" if number else "  warm-up")


def compare(served: Sequence[float], plain: Sequence[float], unit: str) -> Figures:
    """Return the medians of both sides, and how many times the one is the other."""
    return {
        unit: round(median(served), 1),
        f"offline_{unit}": round(median(plain), 1),
        "times_offline": round(median(served) / median(plain), 2),
    }


def find_largest_difference(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> float:
    """Return the largest difference of two numbers at the same place."""
    pairs = zip(a, b, strict=True)
    return max(abs(x - y) for one, other in pairs for x, y in zip(one, other, strict=True))


def build_prompts(count: int) -> list[str]:
    """Return questions that are answered at greater length than is allowed."""
    return [
        f"Write a long and detailed story about {_TOPICS[number % len(_TOPICS)]}."
        for number in range(count)
    ]


def build_texts(count: int) -> list[str]:
    """Return texts of one to four sentences, no two alike."""
    return [
        f"{number}. "
        + " ".join(_SENTENCES[(number + step) % len(_SENTENCES)] for step in range(1 + number % 4))
        for number in range(count)
    ]


def measure_model(
    name: str,
    task: str,
    measure: Callable[[Server, Offline, int], Figures],
    scratch: Path,
    rounds: int,
) -> tuple[Figures, Figures]:
    """Return a model's figures under load, and those of its starts."""
    folder, log = scratch / name, scratch / f"{name}.log"
    (example,) = (each for each in EXAMPLES if each.name == name)
    make_model(example, folder)
    starts = []
    for number in range(STARTS):
        to_stderr(f"{name}: start {number + 1} of {STARTS}")
        with serving(folder, log) as server:
            starts.append(describe_start(server))
    to_stderr(f"{name}: served and offline in turn, {rounds} rounds")
    with serving(folder, log) as server:
        dtype = server.read_report().device.dtype
        threads = read_capacity().threads
        with computing(task, folder, dtype=dtype, threads=threads, log=log) as offline:
            found = measure(server, offline, rounds)
        peak = usage.read_usage(server.pid).peak_mib
    return {**found, "dtype": dtype, "peak_mib": round(peak, 1)}, figures.merge_runs(starts)


def describe_start(server: Server) -> Figures:
    """Return the steps of a start, seconds since the process was made."""
    steps = server.read_report().startup
    return {
        "http_up_seconds": server.seconds_until_http,
        "load_seconds": steps.load or 0.0,
        "warmup_seconds": steps.warmup or 0.0,
        "ready_seconds": server.seconds_until_ready,
    }


def measure_all(options: argparse.Namespace) -> Figures:
    """Measure everything that was asked for."""
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        scratch, rounds = Path(folder), options.rounds
        chats, chat_start = measure_model("smollm2", "generate", measure_chats, scratch, rounds)
        texts, text_start = measure_model("minilm", "embed", measure_embeddings, scratch, rounds)
    pods = {}
    if options.pods:
        to_stderr("minilm as a pod of a real node")
        pods["start_minilm_pod"] = measure_pods(
            "minilm", options.cluster, keep=options.keep, report=to_stderr
        )
    return {
        "chat_smollm2": chats,
        "embeddings_minilm": texts,
        "start_smollm2": chat_start,
        "start_minilm": text_start,
        **pods,
    }


def build_parser() -> argparse.ArgumentParser:
    """The options, and what they are for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.serving",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="medians are taken over (%(default)s)")
    add("--pods", action=argparse.BooleanOptionalAction, default=True, help="the start of a pod")
    add("--cluster", default="bench-runtime", help="name of the pods' cluster (%(default)s)")
    add("--keep", action="store_true", help="leave the cluster up")
    return parser


def main() -> None:
    """Measure and keep."""
    options = build_parser().parse_args()
    running.run(
        "runtime",
        "bench.serving",
        options,
        lambda: measure_all(options),
        packages=("torch", "transformers", "uvicorn", "aiohttp"),
        settings={"max_tokens": MAX_TOKENS, "starts": STARTS},
    )


if __name__ == "__main__":
    main()
