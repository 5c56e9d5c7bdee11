"""From branches to commits, of a model and its adapters: what the hub said, and must be asked."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.rendering import Rendering, Source, find_commits, find_source
from modelyard_operator.errors import Unresolved
from modelyard_operator.records import Key
from modelyard_operator.resolving import Sources


@dataclass(frozen=True, slots=True)
class _Question:
    """A branch or tag whose commit nobody knows yet; `adapter` is empty for the model's own."""

    source: Source
    adapter: str = ""


def pin(md: ModelDeployment, last: Rendering | None, sources: Sources) -> Commits | None:
    """Return all commits, None while the hub has not been heard.

    Raises:
        Unresolved: the hub does not say one; the message tells whose.
    """
    commits = find_commits(md, last)
    questions = list(_find_questions(md, commits))
    answers = [sources.find(question.source) for question in questions]
    # A refusal counts whoever else has not been heard: it would come and go with the others'
    # answers, which grow old.
    for question, answer in zip(questions, answers, strict=True):
        if isinstance(answer, Unresolved):
            raise _explain(answer, question.adapter)
    for question, answer in zip(questions, answers, strict=True):
        if not isinstance(answer, str):
            return None
        if question.adapter:
            commits = replace(commits, adapters={**commits.adapters, question.adapter: answer})
        else:
            commits = replace(commits, model=answer)
    return commits


def ask(key: Key, md: ModelDeployment, last: Rendering | None, sources: Sources) -> float | None:
    """Have looked up what is not known; returns when to look again, if that is known.

    While one is refused, only what is refused is asked again.
    """
    questions = list(_find_questions(md, find_commits(md, last)))
    refused = [
        question for question in questions if isinstance(sources.find(question.source), Unresolved)
    ]
    waits = [sources.want(key, question.source) for question in refused or questions]
    return min((wait for wait in waits if wait is not None), default=None)


def name_questions(md: ModelDeployment, last: Rendering | None) -> str:
    """Return what is being asked for, for people."""
    return ", ".join(
        f"{question.source.revision or 'main'} of the adapter {question.adapter!r}"
        if question.adapter
        else question.source.revision or "main"
        for question in _find_questions(md, find_commits(md, last))
    )


def _find_questions(md: ModelDeployment, commits: Commits) -> Iterator[_Question]:
    model = md.spec.model
    source = find_source(model.uri, model.revision)
    if source is not None and not commits.model:
        yield _Question(source)
    for adapter in model.adapters:
        source = find_source(adapter.uri, adapter.revision)
        if source is not None and not commits.adapters[adapter.name]:
            yield _Question(source, adapter.name)


def _explain(fault: Unresolved, adapter: str) -> Unresolved:
    """Let the fault speak of the adapter's fields, where it is an adapter's."""
    if not adapter:
        return fault
    hint = fault.hint.replace("spec.model.", f"spec.model.adapters[{adapter}].")
    return Unresolved(fault.reason, f"The adapter {adapter!r}: {fault.message}", hint)
