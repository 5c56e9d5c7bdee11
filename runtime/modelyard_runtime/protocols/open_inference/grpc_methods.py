"""The methods of inference.GRPCInferenceService."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.protocols.open_inference.grpc_codec import read_question, write_answer
from modelyard_runtime.protocols.open_inference.grpc_messages import SERVICE, build_messages
from modelyard_runtime.protocols.open_inference.inference import (
    EXTENSIONS,
    MODEL_VERSION,
    SERVER,
    Inference,
)
from modelyard_runtime.version import VERSION

Fill = Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its messages, and what fills an answer from a request."""

    path: str
    request: Any
    response: Any
    fill: Fill

    async def answer(self, body: bytes) -> bytes:
        """Return the answer's message.

        Raises:
            RequestFault: there is none.
        """
        request, response = self.request(), self.response()
        try:
            request.ParseFromString(body)
        except DecodeError as error:
            name = self.request.DESCRIPTOR.name
            raise InvalidRequest(f"The message is no {name}.") from error
        await self.fill(request, response)
        message: bytes = response.SerializeToString()
        return message


class _Servicer:
    """Fills the answers; its methods are the service's."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def ServerLive(self, _request: Any, response: Any) -> None:  # noqa: N802
        response.live = self._inference.is_live

    async def ServerReady(self, _request: Any, response: Any) -> None:  # noqa: N802
        response.ready = self._inference.is_ready

    async def ModelReady(self, request: Any, response: Any) -> None:  # noqa: N802
        self._inference.check_model(request.name, request.version)
        response.ready = self._inference.is_ready

    async def ServerMetadata(self, _request: Any, response: Any) -> None:  # noqa: N802
        response.name, response.version = SERVER, VERSION
        response.extensions.extend(EXTENSIONS)

    async def ModelMetadata(self, request: Any, response: Any) -> None:  # noqa: N802
        self._inference.check_model(request.name, request.version)
        metadata = self._inference.describe(request.name)
        response.name, response.platform = metadata["name"], metadata["platform"]
        response.versions.extend(metadata["versions"])
        for tensor in metadata["inputs"]:
            response.inputs.add(**tensor)
        for tensor in metadata["outputs"]:
            response.outputs.add(**tensor)
        response.properties.update(metadata["properties"])

    async def ModelInfer(self, request: Any, response: Any) -> None:  # noqa: N802
        self._inference.check_model(request.model_name, request.model_version)
        tensors = await self._inference.answer(read_question(request), request.model_name)
        response.model_name, response.model_version = request.model_name, MODEL_VERSION
        response.id = request.id
        write_answer(response, tensors)

    async def RepositoryIndex(self, request: Any, response: Any) -> None:  # noqa: N802
        self._check_repository(request)
        for entry in self._inference.list_models(ready_only=request.ready):
            response.models.add(**entry)

    async def RepositoryModelLoad(self, request: Any, _response: Any) -> None:  # noqa: N802
        self._check_repository(request)
        self._inference.load(request.model_name, request.parameters)

    async def RepositoryModelUnload(self, request: Any, _response: Any) -> None:  # noqa: N802
        self._check_repository(request)
        self._inference.unload(request.model_name)

    def _check_repository(self, request: Any) -> None:
        if request.repository_name:
            raise InvalidRequest(
                "Repositories have no names here: leave it out.", param="repository_name"
            )


def build_methods(inference: Inference) -> Mapping[str, Method]:
    """Return the methods by their paths."""
    servicer = _Servicer(inference)
    messages = build_messages()
    names = [name for name in vars(_Servicer) if f"{name}Request" in messages]
    methods = [
        Method(
            path=f"/{SERVICE}/{name}",
            request=messages[f"{name}Request"],
            response=messages[f"{name}Response"],
            fill=getattr(servicer, name),
        )
        for name in names
    ]
    return {method.path: method for method in methods}
