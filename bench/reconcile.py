"""Measures the operator on a control plane of its own: `make bench-operator N=300`.

In order: ModelDeployments one per second; a burst of N; quiet; a restart of the operator over all
of them; and, with the operator stopped, the same objects and children by a client that does nothing
but send them: the floor under every operator here. bench/README.md says what each figure means.
"""

import argparse
import asyncio
import json
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench import audit_log, figures, machine, results, usage, workload
from bench.audit_log import Name, Window
from bench.figures import Figures
from bench.floor import measure_floor
from bench.operator_process import read_chart_workers
from bench.rig import Rig, set_up
from bench.workload import build_names
from modelyard_api.meta import PLURAL
from modelyard_kube.errors import ClusterError
from modelyard_local.errors import LocalError
from modelyard_local.progress import to_stderr, wait_until

WARM_UP = 5
FLOOR_OBJECTS = 20
#: The operator is done with what was asked of it when it has written nothing for so long.
QUIET_SECONDS = 4.0
_PATIENCE_SECONDS = 180.0

_EPILOG = """\
Needs root on Linux, for the control plane. The first run compiles Kubernetes (minutes).

examples:
  make bench-operator N=300
  python -m bench.reconcile --objects 1000 --runs 3
  python -m bench.reconcile --objects 50 --trickle 10 --keep     a quick look; the cluster stays
"""


@dataclass(frozen=True)
class Plan:
    """How much of what."""

    objects: int
    trickle: int
    per_second: float
    idle_seconds: float


def run_phases(rig: Rig, plan: Plan) -> Figures:
    """Run all phases once and return the figures."""
    create(rig, build_names("warm-up", WARM_UP), per_second=0)
    rig.report(f"[1/5] {plan.trickle} ModelDeployments, {plan.per_second:g} per second")
    trickle = create(rig, build_names("trickle", plan.trickle), per_second=plan.per_second)
    rig.report(f"[2/5] {plan.objects} ModelDeployments at once")
    burst = create(rig, build_names("burst", plan.objects), per_second=0)
    everything = WARM_UP + plan.trickle + plan.objects
    wait_all_ready(rig, everything)
    peaks = usage.peaks_mib(usage.read_all(rig.pids()), rig.pids())
    rig.report(f"[3/5] nothing, for {plan.idle_seconds:g} s")
    idle = stay_idle(rig, plan.idle_seconds)
    rig.report(f"[4/5] a restart of the operator over {everything} objects")
    restart = restart_operator(rig, everything)
    rig.report(f"[5/5] the floor: {plan.objects} objects and children without the operator")
    floor = measure_floor(
        rig, plan.objects, few=min(FLOOR_OBJECTS, plan.trickle), per_second=plan.per_second
    )
    return {
        "trickle": trickle,
        "burst": burst,
        "idle": idle,
        "restart": restart,
        "floor": floor,
        "peak_mib": peaks,
    }


def create(rig: Rig, names: Sequence[Name], *, per_second: float) -> Figures:
    """Create ModelDeployments, wait until the operator is done with them, and measure."""
    before, begin = usage.read_all(rig.pids()), time.time()
    kubeconfig = str(rig.cluster.kubeconfig)
    asyncio.run(workload.create_with_children(kubeconfig, names, (), per_second=per_second))
    wait_settled(rig, names)
    after, window = usage.read_all(rig.pids()), Window(begin, time.time())
    requests = rig.audit.read()
    latencies = audit_log.measure_creations(
        requests, owner=PLURAL, child="deployments", names=names
    )
    user, count = rig.login.user, len(names)
    writes, reads = (
        audit_log.count_per_object(
            requests, user=user, window=window, objects=count, writes=is_write
        )
        for is_write in (True, False)
    )
    return {
        "objects": count,
        "create_to_deployment_ms": figures.spread_ms(latencies),
        "deployments_per_second": audit_log.measure_rate(
            requests, owner=PLURAL, child="deployments", names=names
        ),
        "writes_per_object": {**writes, "all": round(sum(writes.values()), 2)},
        "reads_per_object": {**reads, "all": round(sum(reads.values()), 2)},
        "cpu_ms_per_object": usage.spent_ms_per_object(before, after, count),
    }


def wait_settled(rig: Rig, names: Sequence[Name]) -> None:
    """Wait until each object has its Deployment and the operator has stopped writing."""

    def is_settled() -> bool:
        requests = rig.audit.read()
        created = audit_log.find_creations(requests, "deployments")
        last = audit_log.find_last_write(requests, user=rig.login.user)
        return all(name in created for name in names) and time.time() - last > QUIET_SECONDS

    wait_until(
        is_settled,
        title="waiting for the operator to be done",
        timeout_seconds=_PATIENCE_SECONDS,
        report=rig.report,
        interval_seconds=0.5,
    )


def wait_all_ready(rig: Rig, count: int) -> None:
    """Wait until every ModelDeployment is Ready: fast and wrong is not measured."""

    def are_ready() -> bool:
        listed = rig.cluster.kubectl("get", PLURAL, "--all-namespaces", "-o", "json")
        items = json.loads(listed)["items"]
        return len(items) == count and all(map(is_ready, items))

    wait_until(
        are_ready,
        title=f"waiting for {count} objects to be Ready",
        timeout_seconds=_PATIENCE_SECONDS,
        report=rig.report,
        interval_seconds=1.0,
    )


def is_ready(model: dict[str, Any]) -> bool:
    """Whether its condition Ready is True."""
    conditions = model.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def stay_idle(rig: Rig, seconds: float) -> Figures:
    """Do nothing and count what the operator does."""
    before, begin = usage.read_usage(rig.operator.pid), time.time()
    time.sleep(seconds)
    after, window = usage.read_usage(rig.operator.pid), Window(begin, time.time())
    requests = rig.audit.read()
    leases, others = audit_log.count_writes(requests, user=rig.login.user, window=window)
    return {
        "seconds": round(window.seconds, 1),
        "writes": others,
        "lease_writes": leases,
        "operator_cpu_percent": round(
            100 * (after.cpu_seconds - before.cpu_seconds) / window.seconds, 2
        ),
    }


def restart_operator(rig: Rig, count: int) -> Figures:
    """Stop and start it; it must look at every object, and write nothing."""
    begin = time.time()
    rig.operator.stop()
    started = time.monotonic()
    rig.operator.start()
    ready = time.monotonic() - started
    wait_until(
        lambda: has_seen_all(rig.operator.read_metrics(), count),
        title=f"waiting for the operator to look at {count} objects",
        timeout_seconds=_PATIENCE_SECONDS,
        report=rig.report,
    )
    seen = time.monotonic() - started
    used = usage.read_usage(rig.operator.pid)
    time.sleep(QUIET_SECONDS)
    window = Window(begin, time.time())
    leases, others = audit_log.count_writes(rig.audit.read(), user=rig.login.user, window=window)
    return {
        "objects": count,
        "seconds_until_ready": round(ready, 2),
        "seconds_until_all_seen": round(seen, 2),
        "writes": others,
        "lease_writes": leases,
        "operator_cpu_seconds": round(used.cpu_seconds, 2),
        "operator_peak_mib": round(used.peak_mib, 1),
    }


def has_seen_all(metrics: dict[str, float], count: int) -> bool:
    """Whether so many reconciles are done, and none is left to do."""
    prefix = "modelyard_operator_"
    done = metrics.get(f'{prefix}reconciles_total{{outcome="done"}}', 0)
    left = metrics[f"{prefix}queue_depth"] + metrics[f"{prefix}queue_running"]
    return done >= count and not left


def build_parser() -> argparse.ArgumentParser:
    """The options, and what they are for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.reconcile",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--objects", type=int, default=300, metavar="N", help="in the burst (%(default)s)")
    add("--trickle", type=int, default=60, metavar="N", help="at the rate (%(default)s)")
    add("--rate", type=float, default=1.0, help="of the trickle, per second (%(default)s)")
    add("--idle", type=float, default=20.0, help="seconds of quiet (%(default)s)")
    add("--runs", type=int, default=1, help="each on a fresh cluster; medians (%(default)s)")
    add("--cluster", default="bench", help="its name; an old one is removed (%(default)s)")
    workers = read_chart_workers()
    add("--workers", type=int, default=workers, help="of the operator (%(default)s, the chart's)")
    add("--api-limits", action="store_true", help="with rate limits of API server and controllers")
    add("--keep", action="store_true", help="leave the last cluster up")
    return parser


def main() -> None:
    """Measure; a failure is told in words, and nothing is left running."""
    options = build_parser().parse_args()
    # A stop cleans up as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = Plan(options.objects, options.trickle, options.rate, options.idle)
    setting = machine.describe_machine()
    runs = []
    try:
        for number in range(options.runs):
            keep = options.keep and number == options.runs - 1
            to_stderr(f"run {number + 1} of {options.runs}")
            with set_up(
                options.cluster,
                api_limits=options.api_limits,
                workers=options.workers,
                keep=keep,
                report=to_stderr,
            ) as rig:
                kubernetes = json.loads(rig.cluster.kubectl("version", "-o", "json"))
                runs.append(run_phases(rig, plan))
    except (LocalError, ClusterError) as error:
        sys.exit(f"\nbench-operator: {error}")
    except KeyboardInterrupt:
        sys.exit("\nbench-operator: interrupted; nothing is left running")
    versions = machine.find_versions(("kopf", "kubernetes", "aiohttp", "uvloop"))
    results.report(
        results.Result(
            benchmark="operator",
            at=results.stamp(),
            commit=machine.find_commit(),
            command=shlex.join(["python", "-m", "bench.reconcile", *sys.argv[1:]]),
            machine=setting,
            versions={**versions, "api_server": kubernetes["serverVersion"]["gitVersion"]},
            settings={**vars(options), "in_flight": workload.IN_FLIGHT},
            figures=figures.merge_runs(runs),
        )
    )


if __name__ == "__main__":
    main()
