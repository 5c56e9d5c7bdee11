"""What a revision is made of, and when it may change.

Upgrading Modelyard changes the policy (a new runtime image above all), and may change how a pod is
rendered. Neither must restart models whose spec nobody has touched: the live Deployment remembers
its pod template as it was rendered, and keeps it until a field of the spec that shapes it changes.
"""

from typing import Any

import orjson
from pydantic import ValidationError

from modelyard_api.document import Document
from modelyard_api.fetch import HUB_SCHEME, is_commit, parse_hub_uri
from modelyard_api.meta import LABEL_REVISION
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.digest import digest
from modelyard_operator.desired.pod_template import build_pod_template
from modelyard_operator.policy import PlatformPolicy
from modelyard_operator.records import ChildRecord


class Source(Document):
    """A branch or tag of a repository, as the spec names it; an empty revision is `main`."""

    repository: str
    revision: str = ""


class Rendering(Document):
    """A pod template, the device that it asks for, and the commit that it serves.

    `source` is what the commit was found for; both are missing for images.
    """

    template: dict[str, Any]
    device: str
    source: Source | None = None
    commit: str = ""

    @property
    def revision(self) -> str:
        """The hash of the template, which its pods carry as a label."""
        return str(self.template["metadata"]["labels"][LABEL_REVISION])

    def encode(self) -> str:
        """Return the annotation's value, the same for the same rendering."""
        return orjson.dumps(self.dump(), option=orjson.OPT_SORT_KEYS).decode()


def build_template_input(md: ModelDeployment) -> str:
    """Return the hash of what the object itself puts into the pod template: never scaling."""
    spec = md.spec.dump()
    for field in ("scaling", "suspend"):
        spec.pop(field, None)
    return digest({"name": md.metadata.name, "spec": spec})


def recall_rendering(md: ModelDeployment, live: ChildRecord | None) -> Rendering | None:
    """Return the live Deployment's rendering while the template's input is the same."""
    if live is None or live.template_input != build_template_input(md):
        return None
    return _read_rendering(live)


def find_source(md: ModelDeployment) -> Source | None:
    """Return what must be resolved to a commit; None for images."""
    model = md.spec.model
    if not model.uri.startswith(HUB_SCHEME):
        return None
    return Source(repository=parse_hub_uri(model.uri).repository, revision=model.revision)


def find_commit(md: ModelDeployment, live: ChildRecord | None) -> str:
    """Return the commit where nobody needs to be asked, else an empty text.

    A branch that the live pods were resolved from stays where it was, whatever else of the spec
    changes: more memory must not bring another model.
    """
    if is_commit(md.spec.model.revision):
        return md.spec.model.revision
    last = _read_rendering(live) if live is not None else None
    return last.commit if last is not None and last.source == find_source(md) else ""


def render(md: ModelDeployment, policy: PlatformPolicy, commit: str) -> Rendering:
    """Render an accepted object anew, with today's policy."""
    gpu = md.spec.resources.gpu
    profile = policy.gpu.find(gpu.profile) if gpu.count else None
    return Rendering(
        template=build_pod_template(md, policy, profile, commit),
        device=profile.device if profile is not None else "cpu",
        source=find_source(md),
        commit=commit,
    )


def _read_rendering(live: ChildRecord) -> Rendering | None:
    try:
        rendering = Rendering.model_validate_json(live.rendering)
    except ValidationError:
        return None  # somebody edited the annotation: as if there were none
    labels = rendering.template.get("metadata", {}).get("labels", {})
    return rendering if LABEL_REVISION in labels else None
