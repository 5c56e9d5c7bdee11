"""What a revision is made of, and when it may change.

Upgrading Modelyard changes the policy (a new runtime image above all), and may change how a pod is
rendered. Neither must restart models whose spec nobody has touched: the live Deployment remembers
its pod template as it was rendered, and keeps it until a field of the spec that shapes it changes.
"""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, ValidationError

from modelyard_api.document import Document
from modelyard_api.fetch import HUB_SCHEME, is_commit, parse_hub_uri
from modelyard_api.meta import LABEL_REVISION, Reason
from modelyard_api.v1alpha1 import ModelDeployment
from modelyard_operator.desired.access import serves_tls
from modelyard_operator.desired.commits import Commits
from modelyard_operator.desired.digest import digest
from modelyard_operator.desired.pod_template import build_pod_template
from modelyard_operator.errors import Refused
from modelyard_operator.policy import PlatformPolicy

#: An object's annotations hold 256 KiB: this rendering, the last good one, and why one failed.
_MAX_BYTES = 100 * 1024
#: Fields of spec.update that stand in the pod template: probes, the grace period, the request.
_SHAPING = frozenset({"progressDeadline", "drainTimeout", "verify"})


class Source(Document):
    """A branch or tag of a repository, as the spec names it; an empty revision is `main`."""

    repository: str
    revision: str = ""


class PinnedAdapter(Document):
    """The commit of an adapter, and what it was found for."""

    name: str
    source: Source | None = None
    commit: str = ""


def _check_template(template: dict[str, Any]) -> dict[str, Any]:
    """Refuse what has no revision: somebody edited the annotation."""
    try:
        revision = template["metadata"]["labels"][LABEL_REVISION]
    except (KeyError, TypeError) as error:
        raise ValueError("the template has no revision") from error
    if not isinstance(revision, str):
        raise ValueError("the revision is no text")  # noqa: TRY004 - pydantic wants a ValueError
    return template


class Rendering(Document):
    """A pod template, the device that it asks for, and the commit that it serves.

    `source` is what the commit was found for; both are missing for images. Of a bucket only the
    commit is there, if spec.model.revision has a digest.
    """

    template: Annotated[dict[str, Any], AfterValidator(_check_template)]
    device: str
    source: Source | None = None
    commit: str = ""
    adapters: tuple[PinnedAdapter, ...] = ()

    @property
    def commits(self) -> Commits:
        """What it was rendered with."""
        return Commits(self.commit, {adapter.name: adapter.commit for adapter in self.adapters})

    @property
    def revision(self) -> str:
        """The hash of the template, which its pods carry as a label."""
        return str(self.template["metadata"]["labels"][LABEL_REVISION])

    @property
    def image(self) -> str:
        """The runtime's image."""
        containers = self.template.get("spec", {}).get("containers") or [{}]
        return str(containers[0].get("image", ""))

    @property
    def is_tls(self) -> bool:
        """Whether its pods speak TLS."""
        return serves_tls(self.template)

    def encode(self) -> str:
        """Return the annotation's value, the same for the same rendering."""
        return orjson.dumps(self.dump(), option=orjson.OPT_SORT_KEYS).decode()


def build_template_input(md: ModelDeployment) -> str:
    """Return the hash of what the object itself puts into the pod template.

    Neither scaling nor how a revision is rolled out belongs to it. Fields that are at their default
    are left out, so that the hash of a spec is the same in releases that know more fields.
    """
    spec = md.spec.dump()
    for field in ("scaling", "suspend"):
        spec.pop(field, None)
    update = {name: value for name, value in spec.pop("update", {}).items() if name in _SHAPING}
    return digest(
        {"name": md.metadata.name, "spec": {**spec, "update": update} if update else spec}
    )


def find_source(uri: str, revision: str) -> Source | None:
    """Return what must be resolved to a commit; None for images and buckets."""
    if not uri.startswith(HUB_SCHEME):
        return None
    return Source(repository=parse_hub_uri(uri).repository, revision=revision)


def find_commits(md: ModelDeployment, last: Rendering | None) -> Commits:
    """Return the commits where nobody needs to be asked, an empty text or none for the others.

    A branch that the live pods were resolved from stays where it was, whatever else of the spec
    changes: more memory must not bring another model.
    """
    model = md.spec.model
    pins = {pin.name: pin for pin in last.adapters} if last is not None else {}
    source = find_source(model.uri, model.revision)
    return Commits(
        _find_commit(source, model.revision, last),
        {
            adapter.name: _find_commit(
                find_source(adapter.uri, adapter.revision),
                adapter.revision,
                pins.get(adapter.name),
            )
            for adapter in model.adapters
        },
    )


def _find_commit(
    source: Source | None, revision: str, last: Rendering | PinnedAdapter | None
) -> str:
    if source is None or is_commit(revision):
        return revision
    return last.commit if last is not None and last.source == source else ""


def render(md: ModelDeployment, policy: PlatformPolicy, commits: Commits) -> Rendering:
    """Render an accepted object anew, with today's policy.

    Raises:
        Refused: it is too large to be remembered.
    """
    gpu, model = md.spec.resources.gpu, md.spec.model
    profile = policy.gpu.find(gpu.profile) if gpu.count else None
    rendering = Rendering(
        template=build_pod_template(md, policy, profile, commits),
        device=profile.device if profile is not None else "cpu",
        source=find_source(model.uri, model.revision),
        commit=commits.model,
        adapters=tuple(
            PinnedAdapter(
                name=adapter.name,
                source=find_source(adapter.uri, adapter.revision),
                commit=commits.adapters[adapter.name],
            )
            for adapter in sorted(model.adapters, key=lambda adapter: adapter.name)
            if commits.adapters.get(adapter.name)
        ),
    )
    size = len(rendering.encode())
    if size > _MAX_BYTES:
        raise Refused(
            Reason.INVALID,
            "spec.runtime.env, spec.podTemplate and spec.update.verify make a pod template of "
            f"{size} bytes, and the limit is {_MAX_BYTES}. Put large values into the model folder.",
        )
    return rendering


def read_rendering(text: str) -> Rendering | None:
    """Read the annotation's value, None where it is not one."""
    try:
        return Rendering.model_validate_json(text)
    except ValidationError:
        return None  # somebody edited the annotation: as if there were none
