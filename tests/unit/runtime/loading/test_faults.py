"""What model libraries raise, in words that a person can act on."""

import pytest

from modelyard_api.meta import Reason
from modelyard_runtime.loading.faults import explain


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        pytest.param(
            ValueError(
                "Unrecognized configuration class <class 'A'> for this kind of AutoModel: B.\n"
                "Model type should be one of AfmoeConfig, ApertusConfig, ArceeConfig."
            ),
            Reason.MODEL_UNSUPPORTED,
            "The architecture is not one that this runtime's transformers knows. ValueError: "
            "Unrecognized configuration class <class 'A'> for this kind of AutoModel: B.",
            id="another architecture, without the list of all",
        ),
        pytest.param(
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
            Reason.NOT_ENOUGH_MEMORY,
            "Memory ran out while the model was loaded. RuntimeError: [enforce fail] "
            "DefaultCPUAllocator: can't allocate memory",
            id="no memory",
        ),
        pytest.param(
            ImportError("No module named 'timm'"),
            Reason.MODEL_UNSUPPORTED,
            "The model needs a library that this runtime does not have. ImportError: No module "
            "named 'timm'",
            id="a library that is not there",
        ),
        pytest.param(
            KeyError("x"), Reason.LOAD_FAILED, "Loading failed. KeyError: 'x'", id="anything else"
        ),
    ],
)
def test_errors_have_a_reason(error, reason, message):
    fault = explain(error)
    assert (fault.reason, fault.message) == (reason, message)
    assert fault.hint
