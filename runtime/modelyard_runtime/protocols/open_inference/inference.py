"""The protocol's answers, whichever way the questions come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.domain import TensorSignature
from modelyard_runtime.errors import InvalidRequest, Unavailable, UnknownModel
from modelyard_runtime.lifecycle import Lifecycle
from modelyard_runtime.protocols.naming import naming_text
from modelyard_runtime.protocols.open_inference.arrays import form_input, read_outputs
from modelyard_runtime.protocols.open_inference.rows import form_bodies, form_columns
from modelyard_runtime.protocols.open_inference.schemas import (
    IndexEntry,
    ModelMetadata,
    TensorMetadata,
)
from modelyard_runtime.protocols.open_inference.signature import (
    TaskSignature,
    derive_signature,
)
from modelyard_runtime.protocols.open_inference.tensors import Question, Tensor, shown
from modelyard_runtime.service import InferenceService
from modelyard_runtime.tasks.spec import TaskSpec

SERVER = "modelyard"
EXTENSIONS = ("binary_tensor_data", "model_repository")
#: A process has one model in one state.
MODEL_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Inference:
    """The model of this process, as the protocol sees it."""

    life: Lifecycle
    service: InferenceService
    specs: Mapping[Task, TaskSpec]
    _signatures: dict[Task, TaskSignature] = field(default_factory=dict, init=False)

    @property
    def is_live(self) -> bool:
        """Whether the process need not be replaced."""
        return self.life.engine_alive

    @property
    def is_ready(self) -> bool:
        """Whether requests are welcome."""
        return self.life.is_ready

    def check_model(self, name: str, version: str = "") -> None:
        """Refuse another model, or another version of it.

        Raises:
            UnknownModel: it is not there.
        """
        self.service.check_model(name)
        if version not in {"", MODEL_VERSION}:
            raise UnknownModel(
                f"The model {name!r} has the version {MODEL_VERSION!r}, not {shown(version)}.",
                param="version",
            )

    def describe(self, name: str) -> ModelMetadata:
        """Return the metadata of the model, or of an adapter, which has the model's tensors.

        Raises:
            Unavailable: it is not loaded.
        """
        info = self.service.info
        inputs, outputs = self._list_headers(info.task)
        return {
            "name": name,
            "versions": [MODEL_VERSION],
            "platform": f"modelyard_{info.format}",
            "inputs": [_describe(header) for header in inputs],
            "outputs": [_describe(header) for header in outputs],
            "properties": {"task": info.task.value},
        }

    def list_models(self, *, ready_only: bool) -> list[IndexEntry]:
        """Return the repository's index: the one model, and its adapters."""
        if ready_only and not self.is_ready:
            return []
        return [
            {
                "name": name,
                "version": MODEL_VERSION,
                "state": "READY" if self.is_ready else "UNAVAILABLE",
                "reason": "" if self.is_ready else self.life.state.value,
            }
            for name in (self.service.model_name, *self.service.adapter_names)
        ]

    def load(self, name: str, parameters: Mapping[str, Any] | None) -> None:
        """Do nothing: the model of this process is loaded, and no other can be.

        Raises:
            UnknownModel: it is another one.
            InvalidRequest: it should become another by the parameters.
            Unavailable: it is still being loaded.
        """
        self.check_model(name)
        if parameters:
            raise InvalidRequest(
                "The model cannot be loaded with other parameters: its ModelDeployment has them.",
                param="parameters",
            )
        if not self.is_ready:
            raise Unavailable(f"The model {name!r} is {self.life.state.value}.")

    def unload(self, name: str) -> None:
        """Refuse.

        Raises:
            UnknownModel: it is another model.
            InvalidRequest: always.
        """
        self.check_model(name)
        raise InvalidRequest(
            f"The model {name!r} cannot be unloaded, for this process serves nothing else: "
            "suspend or delete its ModelDeployment.",
            code="unsupported",
        )

    async def answer(self, question: Question, name: str) -> tuple[Tensor, ...]:
        """Compute the outputs that are wanted of the model, or of an adapter of it.

        Raises:
            RequestFault: as the service, and if the tensors are not what the model takes.
        """
        task = self.service.task
        _check_unique(question)
        if task is Task.PREDICT:
            outputs = await self._answer_arrays(question)
        else:
            outputs = await self._answer_rows(question, self.specs[task], name)
        # What a model of tensors gives is known by now; of other tasks some columns are optional.
        known = outputs if task is Task.PREDICT else self._find_signature(task).columns
        return _select(question.outputs, outputs, known)

    async def _answer_arrays(self, question: Question) -> Mapping[str, Tensor]:
        signature = self.service.signature
        if signature is None:
            raise InvalidRequest("The model takes JSON, not tensors: ask /predict.", param="inputs")
        (prediction,) = await self.service.run(Task.PREDICT, [form_input(question, signature)])
        return read_outputs(prediction)

    async def _answer_rows(
        self, question: Question, spec: TaskSpec, name: str
    ) -> Mapping[str, Tensor]:
        signature = self._find_signature(spec.task)
        bodies = form_bodies(question, signature, spec.request)
        _check_named(bodies, name)
        items = [list(spec.to_items(body)) for body in bodies]
        with naming_text(f"inputs.{signature.inputs[0].name}"):
            results = await self.service.run(
                spec.task,
                [one for each in items for one in each],
                adapter=self.service.find_adapter(name),
            )
        answers: list[Any] = []
        at = 0
        for body, each in zip(bodies, items, strict=True):
            answers.append(spec.to_answer(body, results[at : at + len(each)]))
            at += len(each)
        return form_columns(answers, signature)

    def _find_signature(self, task: Task) -> TaskSignature:
        # Only one task is ever asked for, and which one it is the model tells, later.
        if task not in self._signatures:
            self._signatures[task] = derive_signature(self.specs[task])
        return self._signatures[task]

    def _list_headers(
        self, task: Task
    ) -> tuple[Sequence[TensorSignature], Sequence[TensorSignature]]:
        if task is not Task.PREDICT:
            signature = self._find_signature(task)
            return signature.inputs, signature.outputs
        tensors = self.service.signature
        return (tensors.inputs, tensors.outputs) if tensors is not None else ((), ())


def _describe(header: TensorSignature) -> TensorMetadata:
    return {"name": header.name, "datatype": header.datatype, "shape": list(header.shape)}


def _check_named(bodies: Sequence[Any], name: str) -> None:
    """Refuse a request for one model whose fields name another; some tasks have such a field."""
    for body in bodies:
        named = getattr(body, "model", None)
        if named not in {None, name}:
            raise InvalidRequest(
                f"The request is for {name!r}, and its field 'model' says {shown(named)}.",
                param="parameters.model",
            )


def _check_unique(question: Question) -> None:
    for what, names in (
        ("input", [tensor.name for tensor in question.inputs]),
        ("output", list(question.outputs)),
    ):
        for place, name in enumerate(names):
            if name in names[:place]:
                raise InvalidRequest(
                    f"The {what} {shown(name)} is there twice.", param=f"{what}s[{place}].name"
                )


def _select(
    wanted: Sequence[str], outputs: Mapping[str, Tensor], known: Mapping[str, Any]
) -> tuple[Tensor, ...]:
    for place, name in enumerate(wanted):
        if name not in outputs:
            why = (
                "only there where a parameter asks for it"
                if name in known
                else f"unknown; there are {', '.join(known)}"
            )
            raise InvalidRequest(
                f"The output {shown(name)} is {why}.", param=f"outputs[{place}].name"
            )
    return tuple(outputs[name] for name in wanted or outputs)
