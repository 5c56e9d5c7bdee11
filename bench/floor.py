"""The floor under the operator's figures: its objects by a client that only has to send them."""

import asyncio
import json

from bench import audit_log, figures, workload
from bench.audit_log import CREATED, Name
from bench.figures import Figures
from bench.rig import Rig
from bench.workload import Child, build_names
from modelyard_api.meta import PLURAL
from modelyard_kube.resources import Resource

#: Made by the operator in the burst, and copied here.
_PATTERN = build_names("burst", 1)[0]


def measure_floor(rig: Rig, count: int, *, few: int, per_second: float) -> Figures:
    """Stop the operator; its children are now made by a client that knows them beforehand.

    A few by the clock, then `count` as fast as can be.
    """
    rig.operator.stop()
    children = find_children(rig, _PATTERN)
    slow, fast = build_names("floor-trickle", few), build_names("floor-burst", count)
    for names, rate in ((slow, per_second), (fast, 0.0)):
        asyncio.run(
            workload.create_with_children(
                str(rig.cluster.kubeconfig), names, children, per_second=rate
            )
        )
    requests = rig.audit.read()
    alone, crowded = (
        audit_log.measure_creations(requests, owner=PLURAL, child="deployments", names=names)
        for names in (slow, fast)
    )
    return {
        "children": ", ".join(child.resource.plural for child in children),
        "trickle_create_to_deployment_ms": figures.spread_ms(alone),
        "burst_create_to_deployment_ms": figures.spread_ms(crowded),
        "deployments_per_second": audit_log.measure_rate(
            requests, owner=PLURAL, child="deployments", names=fast
        ),
    }


def find_children(rig: Rig, name: Name) -> list[Child]:
    """Read what the operator made for a model, in the order in which it did; Deployment first."""
    made = [
        request.resource
        for request in rig.audit.read()
        if request.user == rig.login.user and request.name == name and request.code == CREATED
    ]
    children = []
    for plural in dict.fromkeys(made):
        text = rig.cluster.kubectl("get", plural, name[1], "-n", name[0], "-o", "json")
        body = json.loads(text)
        children.append(Child(Resource(body["apiVersion"], body["kind"], plural), body))
    return sorted(children, key=lambda child: child.resource.plural != "deployments")
