"""The table of contents of ONNX files, as the format's own library writes them."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from modelyard_runtime.loading.onnx_header import DamagedHeader, External, read_contents


def build(*, function=False):
    """A model with a branch inside of an operator, weights of three kinds, and one elsewhere."""
    outside = numpy_helper.from_array(np.ones(2, np.float32), "far")
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "far.bin"), ("offset", "4096"), ("length", "8")):
        outside.external_data.add(key=key, value=value)
    weights = [
        numpy_helper.from_array(np.ones((300, 2), np.float32), "w"),
        numpy_helper.from_array(np.ones(3, np.int8), "q"),
        outside,
    ]
    inner = numpy_helper.from_array(np.ones(5, np.float16), "k")
    constant = helper.make_node("Constant", [], ["k"], value=inner)
    result = helper.make_tensor_value_info("k", TensorProto.FLOAT16, [5])
    branch = helper.make_graph([constant], "branch", [], [result])
    nodes = [
        helper.make_node("If", ["c"], ["k2"], then_branch=branch, else_branch=branch),
        helper.make_node("Mine" if function else "Relu", ["w"], ["y"], domain="mine.lib"),
    ]
    graph = helper.make_graph(nodes, "g", [], [], weights)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("mine.lib", 1)]
    functions = []
    if function:
        relu = helper.make_node("Relu", ["x"], ["y"])
        functions = [helper.make_function("mine.lib", "Mine", ["x"], ["y"], [relu], opsets)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions)


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "model.onnx"
        path.write_bytes(content)
        return path

    return write_file


def test_operators_and_weights_are_found_wherever_they_are(write):
    contents = read_contents(write(build().SerializeToString()))
    assert contents.operators == {("", "If"), ("", "Constant"), ("mine.lib", "Relu")}
    assert contents.own_domains == set()
    assert contents.externals == [External("far", "far.bin", 4096, 8)]
    # The branch stands there twice.
    assert contents.parameters == 600 + 3 + 2 + 5 + 5
    assert contents.size_bytes == 2400 + 3 + 8 + 10 + 10
    assert contents.dtype == "float32"


def test_operators_that_the_model_defines_are_its_own(write):
    contents = read_contents(write(build(function=True).SerializeToString()))
    assert contents.own_domains == {"mine.lib"}
    assert ("", "Relu") in contents.operators


def test_wherever_it_is_cut_it_is_damaged_or_lacks_weights(write):
    whole = build().SerializeToString()
    parameters = read_contents(write(whole)).parameters
    for length in range(0, len(whole), 7):
        try:
            found = read_contents(write(whole[:length])).parameters
        except DamagedHeader:
            continue
        assert found == parameters  # only the version of the operators was cut off


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "it is empty", id="nothing"),
        pytest.param(b"hello, world", "there is no field", id="a text"),
        pytest.param(b"\xff" * 20, "there is no number", id="an endless number"),
        pytest.param(b"\x08\x09", "it has no graph", id="a version alone"),
        pytest.param(b"\x0b", "there is no field", id="a group, which is of the past"),
        pytest.param(b"\x3a\xff\xff\xff\xff\x0f", "and 0 are left", id="a graph that claims much"),
        pytest.param(b"\x08", "it ends within a number", id="half a number"),
    ],
)
def test_what_is_no_model_says_so(write, content, message):
    with pytest.raises(DamagedHeader, match=message):
        read_contents(write(content))


def test_graphs_within_graphs_have_an_end(write):
    def nest(inner):
        attribute = b"\x32" + size(inner) + inner
        node = b"\x2a" + size(attribute) + attribute
        return b"\x0a" + size(node) + node

    def size(content):
        count, encoded = len(content), b""
        while count > 127:
            encoded, count = encoded + bytes([count & 127 | 128]), count >> 7
        return encoded + bytes([count])

    graph = b""
    for _ in range(100):
        graph = nest(graph)
    with pytest.raises(DamagedHeader, match="nested deeper than 64"):
        read_contents(write(b"\x3a" + size(graph) + graph))
