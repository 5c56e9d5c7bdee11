"""What a Deployment remembers of its model's revisions, in annotations.

The live Deployment is the only memory: whoever reads it knows what is served, what was good last
and what was given up, also after a restart of the operator or a loss of the status.
"""

from dataclasses import dataclass, replace

import orjson
from pydantic import ValidationError

from modelyard_api.document import Document
from modelyard_api.meta import (
    ANNOTATION_FAILED,
    ANNOTATION_GOOD,
    ANNOTATION_LAST_GOOD,
    ANNOTATION_RENDERING,
    ANNOTATION_REPLACES,
    ANNOTATION_RETRY,
    ANNOTATION_TEMPLATE_INPUT,
)
from modelyard_api.v1alpha1 import Failure, ModelDeployment
from modelyard_operator.desired.rendering import Rendering, build_template_input, read_rendering
from modelyard_operator.records import ChildRecord


class LastGood(Document):
    """The revision that was good last, as it was rendered, and what it was rendered of."""

    input: str
    rendering: Rendering


class FailedRevision(Document):
    """A revision that was given up.

    `input` is the spec that asked for it; as long as that and the retry annotation are the same, it
    is not tried again.
    """

    revision: str
    input: str
    failure: Failure
    at: str
    retry: str = ""
    is_paused: bool = False
    model_revision: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The applied rendering with its input, and what is known of it and of those before.

    `good` is the hash of the applied revision once all wanted pods of it were ready together.
    `last_good` is there while another revision than that is applied. `replaces` is the applied
    revision if its pods start in place of old ones, since there was no room beside them.
    """

    input: str
    rendering: Rendering
    good: str = ""
    last_good: LastGood | None = None
    failed: FailedRevision | None = None
    replaces: str = ""

    @property
    def revision(self) -> str:
        """The hash of the applied template."""
        return self.rendering.revision

    @property
    def is_good(self) -> bool:
        """The applied revision was good once; it is never given up."""
        return self.good == self.revision

    @property
    def wanted_revision(self) -> str:
        """What the spec asks for: after a rollback another one than the applied."""
        return self.failed.revision if self.failed is not None else self.revision

    @property
    def tried_input(self) -> str:
        """The input of what the spec asks for."""
        return self.failed.input if self.failed is not None else self.input

    @property
    def last_good_revision(self) -> str:
        """The newest revision that was good, empty if none ever was."""
        if self.is_good:
            return self.revision
        return self.last_good.rendering.revision if self.last_good is not None else ""

    @property
    def has_room_beside(self) -> bool:
        """Nothing is known against starting new pods beside the old ones."""
        return self.replaces != self.revision

    def annotate(self) -> dict[str, str]:
        """Return the Deployment's annotations; the same for the same ledger."""
        notes = {
            ANNOTATION_TEMPLATE_INPUT: self.input,
            ANNOTATION_RENDERING: self.rendering.encode(),
            ANNOTATION_GOOD: self.good,
            ANNOTATION_LAST_GOOD: _encode(self.last_good),
            ANNOTATION_FAILED: _encode(self.failed),
            ANNOTATION_REPLACES: self.replaces,
        }
        return {name: value for name, value in notes.items() if value}


def read_ledger(live: ChildRecord | None) -> Ledger | None:
    """Return what the live Deployment remembers, None where it is unreadable or there is none."""
    rendering = read_rendering(live.rendering) if live is not None else None
    if live is None or rendering is None:
        return None
    ledger = Ledger(live.template_input, rendering, good=live.good, replaces=live.replaces)
    try:
        if live.last_good:
            ledger = replace(ledger, last_good=LastGood.model_validate_json(live.last_good))
        if live.failed:
            ledger = replace(ledger, failed=FailedRevision.model_validate_json(live.failed))
    except ValidationError:
        return ledger  # somebody edited them: as if there were none
    return ledger


def begin(md: ModelDeployment, rendering: Rendering, before: Ledger | None = None) -> Ledger:
    """Return the ledger of an apply that starts a revision; what was good until now is kept."""
    fresh = Ledger(build_template_input(md), rendering)
    if before is None:
        return fresh
    good = LastGood(input=before.input, rendering=before.rendering) if before.is_good else None
    last_good = good or before.last_good
    if last_good is not None and last_good.rendering.revision == rendering.revision:
        return replace(fresh, good=rendering.revision)
    return replace(fresh, last_good=last_good)


def turn_to(md: ModelDeployment, chosen: Rendering, before: Ledger | None) -> Ledger:
    """Return the ledger for what is to be served now: a new revision, or the applied one."""
    if before is None or chosen.revision != before.revision:
        return begin(md, chosen, before)
    if is_given_up(md, before):
        return before
    return replace(before, input=build_template_input(md), failed=None)


def is_given_up(md: ModelDeployment, ledger: Ledger) -> bool:
    """Tell whether the spec, as it is, has been tried and given up."""
    failed = ledger.failed
    if failed is None or failed.input != build_template_input(md):
        return False
    return failed.retry == md.metadata.annotations.get(ANNOTATION_RETRY, "")


def recall(md: ModelDeployment, ledger: Ledger | None) -> Rendering | None:
    """Return what is to be served if nothing needs to be rendered, None for a spec that is new.

    A spec that was given up keeps what is applied. One that goes back to what was good last gets
    that very template, whatever the policy says by now.
    """
    if ledger is None:
        return None
    if is_given_up(md, ledger):
        return ledger.rendering
    wanted = build_template_input(md)
    if ledger.failed is not None and ledger.failed.input == wanted:
        return None  # somebody asks for another try
    if ledger.input == wanted:
        return ledger.rendering
    if ledger.last_good is not None and ledger.last_good.input == wanted:
        return ledger.last_good.rendering
    return None


def _encode(note: Document | None) -> str:
    return orjson.dumps(note.dump(), option=orjson.OPT_SORT_KEYS).decode() if note else ""
