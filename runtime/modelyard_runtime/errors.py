"""Everything that goes wrong on purpose, as one tree.

    RuntimeFault
    ├── RequestFault            a request is answered with an error; the process is well
    │   ├── InvalidRequest      400: the request cannot be served as it is (`param` names the field)
    │   ├── UnknownModel        404: another model's name
    │   ├── NotSupported        404: this model's task does not serve that route
    │   ├── Overloaded          429: no room now, with the seconds to wait
    │   ├── Unavailable         503: loading, draining, or the engine has died
    │   └── EngineFailure       500: the model failed on this request
    └── CannotStart             the process ends with EXIT_CANNOT_START and a RuntimeReport

Faults know nothing of HTTP bodies: each protocol maps them to its own envelope.
"""

from typing import ClassVar

from modelyard_api.meta import Reason


class RuntimeFault(Exception):
    """Base of all faults raised on purpose."""


class RequestFault(RuntimeFault):
    """One request fails; `code` is a stable word for machines, `param` the field at fault."""

    status: ClassVar[int] = 500
    code: str = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        if code is not None:
            self.code = code


class InvalidRequest(RequestFault):
    """The request cannot be served as it is."""

    status = 400
    code = "invalid_value"


class UnknownModel(RequestFault):
    """The request names another model."""

    status = 404
    code = "model_not_found"


class NotSupported(RequestFault):
    """The model's task does not serve this route."""

    status = 404
    code = "unsupported_task"


class Overloaded(RequestFault):
    """No room for the request now."""

    status = 429
    code = "overloaded"

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(RequestFault):
    """The model takes no requests: it is loading or draining, or the engine died."""

    status = 503
    code = "unavailable"


class EngineFailure(RequestFault):
    """The model raised an error while it computed this request."""


class CannotStart(RuntimeFault):
    """The process cannot serve its model; starting it again unchanged would not help."""

    def __init__(self, reason: Reason, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
