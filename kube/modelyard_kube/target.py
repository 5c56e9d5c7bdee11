"""What a request to the API server is about."""

from dataclasses import dataclass
from typing import Final

from modelyard_kube.resources import Resource
from modelyard_kube.transport import Call

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Target:
    """An object, or with an empty name a collection; without a namespace, of all of them."""

    resource: Resource
    namespace: str | None = None
    name: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        """The URL path."""
        return self.resource.path(self.namespace, self.name, self.subresource)

    def call(self, method: str) -> Call:
        """Return what a request by that method is, in the words of RBAC."""
        verb = _VERBS.get(method) or ("get" if self.name else "list")
        parts = (self.resource.plural, self.subresource)
        return Call(verb, "/".join(part for part in parts if part))
