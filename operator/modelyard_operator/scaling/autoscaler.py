"""Scaling models by what their pods are busy with: a loop beside the reconciler.

It decides nothing itself (`decision`), and it writes nothing but a Deployment's scale.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from modelyard_api.v1alpha1 import Demand, Metadata
from modelyard_kube.errors import ClusterError
from modelyard_kube.events import Notice
from modelyard_operator.cluster import Cluster
from modelyard_operator.logs import reconcile_context
from modelyard_operator.metrics import Direction, Metrics
from modelyard_operator.records import ChildRecord, Key, PodRecord
from modelyard_operator.scaling.decision import Decision, Memory, Rule, Sample, decide
from modelyard_operator.scaling.demand import count_waiting
from modelyard_operator.scaling.load import LoadReader, PodLoad

logger = logging.getLogger(__name__)

#: How often each model is looked at, and how often where there are more than so many.
_EVERY_SECONDS = 1.0
_EVERY_SECONDS_OF_MANY = 2.0
_MANY = 100
#: How long our own write may take to come back by the watch; until then nothing is decided.
_ECHO_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Followed:
    """A model that the operator scales, as its spec and status say."""

    metadata: Metadata
    rule: Rule
    demand: Mapping[str, Demand]


@dataclass(slots=True)
class _Trace:
    """What is known of one model; `written` is the Deployment's generation at our last write."""

    followed: Followed
    samples: deque[Sample] = field(default_factory=deque)
    served: dict[str, float] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    written: tuple[str, int, float] = ("", 0, 0.0)
    is_busy: bool = False


class Autoscaler:
    """Follows the models that the reconciler names, and only while it names them."""

    def __init__(
        self,
        cluster: Cluster,
        reader: LoadReader,
        metrics: Metrics,
        *,
        is_leading: Callable[[], bool],
        now: Callable[[], float],
        today: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._reader = reader
        self._metrics = metrics
        self._is_leading = is_leading
        self._now = now
        self._today = today
        self._traces: dict[Key, _Trace] = {}

    def __len__(self) -> int:
        return len(self._traces)

    def follow(self, key: Key, followed: Followed) -> None:
        """Scale a model, or go on with what its spec and status say by now."""
        trace = self._traces.get(key)
        if trace is None or trace.followed.metadata.uid != followed.metadata.uid:
            self._traces[key] = _Trace(followed)
            return
        trace.followed = followed

    def leave(self, key: Key) -> None:
        """Scale it no more."""
        self._traces.pop(key, None)

    def forget_all(self) -> None:
        """Forget everything, as if this process had just started."""
        self._traces.clear()

    async def run(self) -> None:
        """Look and decide until cancelled. A model that takes long holds up no other."""
        async with self._reader, asyncio.TaskGroup() as group:
            while True:
                for key, trace in self._traces.items():
                    if not trace.is_busy:
                        trace.is_busy = True
                        group.create_task(self._look_safely(key, trace), name=f"scale {key}")
                is_many = len(self._traces) > _MANY
                await asyncio.sleep(_EVERY_SECONDS_OF_MANY if is_many else _EVERY_SECONDS)

    async def _look_safely(self, key: Key, trace: _Trace) -> None:
        with reconcile_context(key):
            try:
                await self._look(key, trace)
            except ClusterError as error:
                logger.warning("not scaled, tried again: %s", error)
            except Exception:
                # A fault of ours with one model must not end the scaling of all others.
                self._metrics.scale_faults.inc()
                logger.exception("fault while scaling")
            finally:
                trace.is_busy = False

    async def _look(self, key: Key, trace: _Trace) -> None:
        pods = [pod for pod in self._cluster.find_pods(key) if pod.is_ready]
        loads = await self._reader.read(pods)
        self._metrics.loads_read.inc(len(loads))
        self._metrics.loads_missed.inc(len(pods) - len(loads))
        live = self._cluster.find_child("Deployment", key)
        # Meanwhile it may have been left, or be another's to scale.
        if self._traces.get(key) is not trace or not self._is_leading():
            return
        now, rule = self._now(), trace.followed.rule
        trace.samples.append(_take_sample(trace, pods, loads, now))
        while trace.samples[0].at <= now - rule.window_seconds:
            trace.samples.popleft()
        if live is None or live.rollout is None or not self._is_settled(trace, live, now):
            return
        decision = decide(
            rule,
            trace.samples,
            trace.memory,
            current=live.rollout.wanted,
            waiting=count_waiting(trace.followed.demand, self._today()),
            now=now,
        )
        await self._act(trace, live, live.rollout.wanted, decision)

    def _is_settled(self, trace: _Trace, live: ChildRecord, now: float) -> bool:
        """The Deployment is this model's, and shows our last write."""
        uid, generation, at = trace.written
        is_echo_due = (uid, generation) == (live.uid, live.generation) and now - at < _ECHO_SECONDS
        return live.owner_uid == trace.followed.metadata.uid and not is_echo_due

    async def _act(
        self, trace: _Trace, live: ChildRecord, current: int, decision: Decision
    ) -> None:
        """Write first: a change that failed is not remembered, and is tried again."""
        if decision.replicas != current:
            await self._cluster.write_scale(live, decision.replicas)
            trace.written = (live.uid, live.generation, self._now())
            direction = Direction.UP if decision.replicas > current else Direction.DOWN
            self._metrics.scale_changes.labels(direction).inc()
            message = f"from {current} to {decision.replicas}: {decision.why}"
            logger.info("scaled %s", message)
            notice = Notice("Normal", "Scaled", f"Scaled {message}.")
            self._cluster.emit(trace.followed.metadata, notice)
        trace.memory = decision.memory


def _take_sample(
    trace: _Trace, pods: list[PodRecord], loads: Mapping[str, PodLoad], now: float
) -> Sample:
    """Sum up, and remember each pod's count of answers; one that did not answer keeps its last."""
    served = sum(max(load.served - trace.served.get(uid, 0.0), 0.0) for uid, load in loads.items())
    known = {pod.uid: trace.served[pod.uid] for pod in pods if pod.uid in trace.served}
    trace.served = {**known, **{uid: load.served for uid, load in loads.items()}}
    return Sample(
        at=now,
        in_flight=sum(load.in_flight for load in loads.values()),
        ready=len(pods),
        answered=len(loads),
        served=round(served),
    )
