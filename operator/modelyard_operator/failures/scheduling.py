"""Why no node takes a pod: the scheduler's one long line, as a person would say it. Pure.

It reads: 0/4 nodes are available: 1 Insufficient memory, 3 node(s) had untolerated taint(s).
Behind that the scheduler says why evicting others would not help, which nobody asked.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from modelyard_api.meta import Reason
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.failures.cause import Cause
from modelyard_operator.records import PodRecord

_LINE = re.compile(r"(?P<fit>\d+)/(?P<nodes>\d+) nodes are available: (?P<lacks>.*)", re.DOTALL)
_AFTERTHOUGHTS = re.compile(r"\.?\s+(?:no new claims to deallocate|preemption:).*", re.DOTALL)
_LACK = re.compile(r"(\d+) (.+?)(?=, \d+ |$)", re.DOTALL)
_INSUFFICIENT = re.compile(r"Insufficient ([\w./-]*\w)")
_TAINT = re.compile(r"untolerated taint \{(.+)\}", re.DOTALL)
_NONE_KNOWN = "no nodes available"


@dataclass(frozen=True, slots=True)
class _Lack:
    """What so many nodes lack or refuse."""

    nodes: int
    text: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is wrong with a node, of one and of several, and what helps."""

    one: str
    many: str
    hint: str


def explain_unschedulable(md: ModelDeployment, pod: PodRecord) -> Cause | None:
    """Return what the nodes lack, once the scheduler has found none."""
    fact = pod.fact("PodScheduled")
    if fact is None or not pod.is_homeless:
        return None
    line = _LINE.match(fact.message)
    lacks = _read_lacks(line["lacks"]) if line else ()
    if line is None or not lacks:
        return Cause(Reason.UNSCHEDULABLE, fact.message, _hint_at_nothing(fact.message, pod))
    answers = [(lack, _find_answer(md, lack)) for lack in lacks]
    told = "; ".join(
        f"{lack.nodes} {answer.one if lack.nodes == 1 else answer.many}" for lack, answer in answers
    )
    return Cause(
        Reason.UNSCHEDULABLE,
        f"{line['fit']} of {line['nodes']} nodes can take the pod: {told}.",
        _join_hints(answer.hint for _, answer in answers) or _point_at_pod(pod),
    )


def find_lacking(pod: PodRecord) -> frozenset[str]:
    """Return the resources of which nodes have too little free for a pod."""
    fact = pod.fact("PodScheduled")
    return frozenset(_INSUFFICIENT.findall(fact.message)) if fact is not None else frozenset()


def _read_lacks(text: str) -> tuple[_Lack, ...]:
    text = _AFTERTHOUGHTS.sub("", text).rstrip(". ")
    return tuple(_Lack(int(count), what.strip()) for count, what in _LACK.findall(text))


def _find_answer(md: ModelDeployment, lack: _Lack) -> _Answer:
    insufficient, taint = _INSUFFICIENT.search(lack.text), _TAINT.search(lack.text)
    if insufficient:
        return _answer_insufficient(md, insufficient[1])
    if taint:
        return _answer_taint(f"the taint {taint[1].strip(' :')}")
    for words, answer in _ANSWERS:
        if words in lack.text:
            return answer(md)
    plain = lack.text.removeprefix("node(s) ")
    return _Answer(plain, plain, "")


def _answer_insufficient(md: ModelDeployment, resource: str) -> _Answer:
    asked = md.spec.resources
    if "/" in resource:
        return _Answer(
            f"has too few {resource} free",
            f"have too few {resource} free",
            f"Each pod asks for {asked.gpu.count} of {resource}: add a GPU node, free one, or "
            "lower spec.resources.gpu.count (`kubectl describe nodes` shows what is allocatable).",
        )
    words = {"cpu": "CPU", "ephemeral-storage": "disk (ephemeral-storage)"}
    sizes = {"cpu": asked.cpu, "memory": asked.memory}
    size = sizes.get(resource) or "the platform's default"
    what = f"too little {words.get(resource, resource)} free"
    hint = (
        f"Lower spec.resources.{resource} (now {size}), or add a node with as much free."
        if resource in sizes
        else f"Free {words.get(resource, resource)}, or add a node."
    )
    return _Answer(f"has {what}", f"have {what}", hint)


def _answer_taint(what: str) -> _Answer:
    return _Answer(
        f"has {what}, which the pod does not tolerate",
        f"have {what}, which the pod does not tolerate",
        "Tolerate the taint in spec.podTemplate.tolerations, if the model may run there.",
    )


def _answer_labels(md: ModelDeployment) -> _Answer:
    asked = md.spec.pod_template
    wanted = [f"{label}={value}" for label, value in sorted(asked.node_selector.items())]
    fields = ["spec.podTemplate.nodeSelector"] if wanted else []
    if asked.affinity:
        fields.append("spec.podTemplate.affinity")
    if md.spec.resources.gpu.count:
        profile = md.spec.resources.gpu.profile
        wanted.append(f"those of the GPU profile {profile}" if profile else "the GPU profile's")
        fields.append("spec.resources.gpu.profile")
    what = "not the labels that the pod wants" + (f" ({', '.join(wanted)})" if wanted else "")
    return _Answer(
        f"has {what}",
        f"have {what}",
        f"Correct {' or '.join(fields) or 'spec.podTemplate'}, or label a node: "
        "`kubectl get nodes --show-labels` shows what there is.",
    )


def _answer_cordoned(_: ModelDeployment) -> _Answer:
    return _Answer(
        "is cordoned",
        "are cordoned",
        "A cordoned node takes pods again after `kubectl uncordon NODE`.",
    )


def _answer_full(_: ModelDeployment) -> _Answer:
    return _Answer(
        "runs as many pods as it may",
        "run as many pods as they may",
        "Add a node, or remove pods that nobody needs.",
    )


def _answer_neighbours(_: ModelDeployment) -> _Answer:
    what = "ruled out by rules on which pods may share a node or zone"
    return _Answer(
        f"is {what}",
        f"are {what}",
        "Loosen spec.podTemplate.affinity or topologySpreadConstraints, or add a node.",
    )


#: Words of the scheduler, the more telling first.
_ANSWERS: tuple[tuple[str, Callable[[ModelDeployment], _Answer]], ...] = (
    ("untolerated taint", lambda _: _answer_taint("taints")),
    ("node affinity/selector", _answer_labels),
    ("were unschedulable", _answer_cordoned),
    ("Too many pods", _answer_full),
    ("affinity", _answer_neighbours),
    ("topology spread", _answer_neighbours),
)


def _join_hints(hints: Iterable[str]) -> str:
    """Return each hint once."""
    return " ".join(dict.fromkeys(hint for hint in hints if hint))


def _hint_at_nothing(message: str, pod: PodRecord) -> str:
    if _NONE_KNOWN in message:
        return "The cluster has no node that is ready: kubectl get nodes."
    return _point_at_pod(pod)


def _point_at_pod(pod: PodRecord) -> str:
    return (
        "No node fits; the scheduler's own words: "
        f"kubectl -n {pod.namespace} describe pod {pod.name}"
    )
