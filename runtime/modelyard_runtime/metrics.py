"""Metrics of this process, under the names that others rely on (`modelyard_api.meta.Metric`)."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from modelyard_api.meta import Metric
from modelyard_runtime.engine.base import Load
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.metering import Usage

#: From a cached embedding to a long answer of a large model on a small CPU.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)

#: Owners of keys that have series of their own, in the life of a process.
_MAX_OWNERS = 1000
#: All others. No owner is called like this.
_OTHERS = "(others)"


class EngineLoad(Collector):
    """Gauges straight from the engine at the moment of the scrape: they cannot drift."""

    def __init__(self, life: Lifecycle) -> None:
        self._life = life

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Both are zero until clients are let in: what the pod asks itself is no load."""
        engine = self._life.engine if self._life.warm else None
        load = engine.load if engine is not None else Load(running=0, waiting=0)
        yield GaugeMetricFamily(
            Metric.REQUESTS_RUNNING, "Requests being computed.", value=load.running
        )
        yield GaugeMetricFamily(
            Metric.REQUESTS_WAITING, "Requests waiting for room.", value=load.waiting
        )


class Metrics:
    """The counters and histograms, and the registry that renders them."""

    def __init__(self, life: Lifecycle) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(EngineLoad(life))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            Metric.REQUESTS_TOTAL, "Answered requests.", ["code"], registry=self.registry
        )
        self._tokens = Counter(
            Metric.TOKENS_TOTAL, "Tokens read and generated.", ["kind"], registry=self.registry
        )
        # Looked up once: a stream counts every chunk.
        self._prompt_tokens = self._tokens.labels("prompt")
        self._completion_tokens = self._tokens.labels("completion")
        self._adapter_tokens = Counter(
            Metric.ADAPTER_TOKENS_TOTAL,
            "Of these tokens, those for an adapter of the model.",
            ["adapter", "kind"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            Metric.REQUEST_SECONDS,
            "From the arrival of a request to the last byte of its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._first_token_seconds = Histogram(
            Metric.TIME_TO_FIRST_TOKEN_SECONDS,
            "From the admission of a generation to its first piece of text.",
            buckets=_SECONDS,
            registry=self.registry,
        )

        self._owners: set[str] = set()
        self._usage_requests = Counter(
            Metric.USAGE_REQUESTS_TOTAL,
            "Answered requests of an owner of API keys.",
            ["owner", "code"],
            registry=self.registry,
        )
        self._usage_tokens = Counter(
            Metric.USAGE_TOKENS_TOTAL,
            "Tokens read and generated for an owner of API keys.",
            ["owner", "kind"],
            registry=self.registry,
        )
        self._usage_units = Counter(
            Metric.USAGE_UNITS_TOTAL,
            "What tokens do not measure, for an owner of API keys.",
            ["owner", "unit"],
            registry=self.registry,
        )
        self._records_lost = Counter(
            Metric.RECORDS_LOST_TOTAL,
            "Records of usage and audit that could not be written in time.",
            registry=self.registry,
        )

    def count_request(self, *, code: int, seconds: float) -> None:
        """A request has been answered."""
        self._requests.labels(str(code)).inc()
        self._request_seconds.observe(seconds)

    def count_prompt_tokens(self, tokens: int, *, adapter: str = "") -> None:
        """Tokens of admitted input."""
        self._prompt_tokens.inc(tokens)
        if adapter:
            self._adapter_tokens.labels(adapter, "prompt").inc(tokens)

    def count_completion_tokens(self, tokens: int, *, adapter: str = "") -> None:
        """Tokens generated."""
        self._completion_tokens.inc(tokens)
        if adapter:
            self._adapter_tokens.labels(adapter, "completion").inc(tokens)

    def observe_first_token(self, seconds: float) -> None:
        """A generation has begun to answer."""
        self._first_token_seconds.observe(seconds)

    def count_usage(self, usage: Usage, *, code: int) -> None:
        """A request is over, and this is what it has used."""
        owner = usage.owner
        if owner not in self._owners:
            if len(self._owners) < _MAX_OWNERS:
                self._owners.add(owner)
            else:
                owner = _OTHERS
        self._usage_requests.labels(owner, str(code)).inc()
        for kind, tokens in (
            ("prompt", usage.prompt_tokens),
            ("completion", usage.completion_tokens),
        ):
            if tokens:
                self._usage_tokens.labels(owner, kind).inc(tokens)
        for unit, count in usage.units.items():
            self._usage_units.labels(owner, unit).inc(count)

    def count_lost_record(self) -> None:
        """A record could not be written. May be called in any thread."""
        self._records_lost.inc()

    def render(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry)
