"""Our messages against those of another implementation: names, numbers and types are the wire."""

import pytest
from google.protobuf.descriptor import FieldDescriptor
from tritonclient.grpc import service_pb2

from modelyard_runtime.protocols.open_inference.grpc_messages import build_messages

OURS = build_messages()
#: The specification has it, Triton has not.
ONLY_SPECIFIED = {("ModelMetadataResponse", 6)}


def describe(message):
    return {
        field.number: (
            field.name,
            field.type,
            field.is_repeated,
            field.containing_oneof and field.containing_oneof.name,
            field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type.full_name,
        )
        for field in message.fields
    }


@pytest.mark.parametrize("name", OURS)
def test_a_message_is_that_of_triton(name):
    theirs = describe(service_pb2.DESCRIPTOR.pool.FindMessageTypeByName(f"inference.{name}"))
    ours = describe(OURS[name].DESCRIPTOR)
    for number in list(ours):
        if (name, number) in ONLY_SPECIFIED:
            del ours[number]
    assert ours == theirs


def test_metadata_have_properties_as_the_specification_says():
    answer = OURS["ModelMetadataResponse"](properties={"task": "predict"})
    assert answer.SerializeToString() == b"\x32\x0f\x0a\x04task\x12\x07predict"
