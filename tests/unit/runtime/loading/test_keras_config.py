"""What a configuration of Keras may name."""

import pytest

from modelyard_runtime.loading.keras_config import find_fault

DENSE = {
    "module": "keras.layers",
    "class_name": "Dense",
    "config": {"units": 1, "activation": "relu"},
    "registered_name": None,
}
CAST = {"module": "keras.src.ops.core", "class_name": "Cast", "registered_name": "Cast"}
TENSOR = {"class_name": "__keras_tensor__", "config": {"shape": [None, 3]}}
OLD = {"class_name": "Dense", "config": {"units": 1}}


def model(*layers, **more):
    config = {"layers": [{"layer": layer} for layer in layers]}
    return {"module": "keras", "class_name": "Functional", "config": config, **more}


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(model(DENSE, CAST, TENSOR), id="layers, operations and tensors"),
        pytest.param(model(OLD), id="classes by their names alone, as older files have them"),
        pytest.param(
            model(DENSE, compile_config={"loss": {"module": "mine", "class_name": "Loss"}}),
            id="a loss of one's own, which is not loaded",
        ),
        pytest.param(model({"vocabulary": ["a", "b"], "class_name": "StringLookup"}), id="words"),
        pytest.param(
            model({"module": "builtins", "class_name": "function", "config": "relu"}),
            id="a function of Keras by its name",
        ),
    ],
)
def test_parts_of_keras_are_fine(config):
    assert find_fault(config) is None


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ({"class_name": "Lambda"}, "has a Lambda, which brings code of its own"),
        ({"class_name": "__lambda__"}, "has a __lambda__, which brings code of its own"),
        ({"class_name": "TFSMLayer", "module": "keras.layers"}, "has a TFSMLayer, which"),
        ({"class_name": "f", "module": "os"}, "names os.f, which is no part of Keras"),
        ({"class_name": "f", "module": "kerasx.layers"}, "names kerasx.layers.f, which is no"),
        ({"class_name": "f", "module": "keras.utils"}, "names keras.utils.f, which is no part"),
        ({"class_name": "f", "module": "keras.src.utils.io"}, "names keras.src.utils.io.f, which"),
        ({"class_name": "f", "module": "keras.saving"}, "names keras.saving.f, which is no part"),
        ({"class_name": "a>B"}, "names 'a>B', a class that is no part of Keras"),
        ({"class_name": "B", "registered_name": "a>B"}, "names 'a>B', a class that is no part"),
        ({"class_name": ["x"]}, "names a class by something that is no text"),
        ({"class_name": "B", "module": 7}, "names a class by something that is no text"),
        ({"vocabulary": "http://x/y"}, "reads the file 'http://x/y'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_all_else_is_told(part, fault):
    assert fault in (find_fault(model(DENSE, [part])) or "")
