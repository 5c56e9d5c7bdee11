"""The messages of inference.GRPCInferenceService, with the names and numbers of the specification.

They are built here and not generated, and in a pool of their own: a process may hold only one
definition of a message in the usual pool, and every client library of the protocol brings its own.
"""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "inference"
SERVICE: Final = f"{PACKAGE}.GRPCInferenceService"

_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES: Final[Mapping[str, int]] = {
    "bool": _FIELD.TYPE_BOOL,
    "bytes": _FIELD.TYPE_BYTES,
    "double": _FIELD.TYPE_DOUBLE,
    "float": _FIELD.TYPE_FLOAT,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "string": _FIELD.TYPE_STRING,
    "uint32": _FIELD.TYPE_UINT32,
    "uint64": _FIELD.TYPE_UINT64,
}

_MODEL: Final = "name=string version=string"
_TENSOR: Final = "name=string datatype=string shape=int64*"
_PARAMETERS: Final = "parameters=map:InferParameter"
_ANY_PARAMETERS: Final = "parameters=map:ModelRepositoryParameter"

#: By message: its fields in the order of their numbers, which count from 1. `*` is repeated, `map:`
#: a map from texts, `|` a field of the message's only oneof. A dot is a message within a message.
_MESSAGES: Final[Mapping[str, str]] = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live=bool",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready=bool",
    "ModelReadyRequest": _MODEL,
    "ModelReadyResponse": "ready=bool",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name=string version=string extensions=string*",
    "ModelMetadataRequest": _MODEL,
    "ModelMetadataResponse": "name=string versions=string* platform=string "
    "inputs=ModelMetadataResponse.TensorMetadata* outputs=ModelMetadataResponse.TensorMetadata* "
    "properties=map:string",
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "InferParameter": "|bool_param=bool |int64_param=int64 |string_param=string "
    "|double_param=double |uint64_param=uint64",
    "InferTensorContents": "bool_contents=bool* int_contents=int32* int64_contents=int64* "
    "uint_contents=uint32* uint64_contents=uint64* fp32_contents=float* fp64_contents=double* "
    "bytes_contents=bytes*",
    "ModelInferRequest": f"model_name=string model_version=string id=string {_PARAMETERS} "
    "inputs=ModelInferRequest.InferInputTensor* "
    "outputs=ModelInferRequest.InferRequestedOutputTensor* raw_input_contents=bytes*",
    "ModelInferRequest.InferInputTensor": f"{_TENSOR} {_PARAMETERS} contents=InferTensorContents",
    "ModelInferRequest.InferRequestedOutputTensor": f"name=string {_PARAMETERS}",
    "ModelInferResponse": f"model_name=string model_version=string id=string {_PARAMETERS} "
    "outputs=ModelInferResponse.InferOutputTensor* raw_output_contents=bytes*",
    "ModelInferResponse.InferOutputTensor": f"{_TENSOR} {_PARAMETERS} contents=InferTensorContents",
    # The model repository extension.
    "ModelRepositoryParameter": "|bool_param=bool |int64_param=int64 |string_param=string "
    "|bytes_param=bytes",
    "RepositoryIndexRequest": "repository_name=string ready=bool",
    "RepositoryIndexResponse": "models=RepositoryIndexResponse.ModelIndex*",
    "RepositoryIndexResponse.ModelIndex": "name=string version=string state=string reason=string",
    "RepositoryModelLoadRequest": f"repository_name=string model_name=string {_ANY_PARAMETERS}",
    "RepositoryModelLoadResponse": "",
    "RepositoryModelUnloadRequest": f"repository_name=string model_name=string {_ANY_PARAMETERS}",
    "RepositoryModelUnloadResponse": "",
}


def build_messages() -> dict[str, Any]:
    """Return the message classes by name, those within another after a dot."""
    file = descriptor_pb2.FileDescriptorProto(
        name="modelyard/open_inference.proto", package=PACKAGE, syntax="proto3"
    )
    for path, fields in _MESSAGES.items():
        outer, _, name = path.rpartition(".")
        home: Any = file
        if outer:
            home = next(message for message in file.message_type if message.name == outer)
        message = (home.nested_type if outer else home.message_type).add(name=name)
        for number, field in enumerate(fields.split(), start=1):
            _add_field(message, path, field, number)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        path: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{path}"))
        for path in _MESSAGES
    }


def _add_field(message: Any, path: str, declared: str, number: int) -> None:
    name, _, kind = declared.partition("=")
    field = message.field.add(
        name=name.removeprefix("|"), number=number, label=_FIELD.LABEL_OPTIONAL
    )
    if name.startswith("|"):
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind.startswith("map:"):
        entry = f"{field.name.title()}Entry"
        _add_entry(message, entry, kind.removeprefix("map:"))
        kind = f"{path}.{entry}*"
    if kind.endswith("*"):
        field.label = _FIELD.LABEL_REPEATED
    _set_type(field, kind.removesuffix("*"))


def _add_entry(message: Any, name: str, value: str) -> None:
    """Declare a map as the wire has it: a list of pairs."""
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    for number, (field, kind) in enumerate((("key", "string"), ("value", value)), start=1):
        _set_type(entry.field.add(name=field, number=number, label=_FIELD.LABEL_OPTIONAL), kind)


def _set_type(field: Any, kind: str) -> None:
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type = _FIELD.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
