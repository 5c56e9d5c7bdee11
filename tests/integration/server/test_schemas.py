"""Requests made of the OpenAPI documents, ours and the published one: every answer fits them.

The published document's path: `--oip-spec PATH`, or MODELYARD_OIP_SPEC.
"""

from pathlib import Path

import hypothesis
import pytest
import schemathesis
import yaml
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from modelyard_api.v1alpha1 import Task
from modelyard_runtime.metrics import Metrics
from modelyard_runtime.server import build_app
from modelyard_runtime.settings import Settings
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.runtime_server import MODEL, build_life
from tests.support.tensor_engine import FakeTensorEngine

ENGINES = {
    "text-generation": FakeGenerationEngine,
    "predict": FakeTensorEngine,
    "embeddings": lambda: FakeBatchEngine(Task.EMBEDDINGS),
    "fill-mask": lambda: FakeBatchEngine(Task.FILL_MASK),
    "text-classification": lambda: FakeBatchEngine(Task.TEXT_CLASSIFICATION),
}
#: The same in each run, and of no order in time that matters.
EXAMPLES = hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)
INFER = "/v2/models/{model_name}/infer"
BOTH = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


def serve(task):
    life = build_life(ENGINES[task]())
    return build_app(life, Metrics(life), Settings())


def name_model(document):
    """Let addresses name the model that is there, or every answer would be that it is not."""
    for path in document["paths"].values():
        for described in (path, *(part for part in path.values() if isinstance(part, dict))):
            for parameter in described.get("parameters", ()):
                name = parameter["name"].lower()
                if name in {"model_name", "model_version"}:
                    parameter["schema"]["enum"] = [MODEL if name == "model_name" else "1"]
    return document


def check_all(schema, held):
    """Send requests to every operation; return how many answers were good ones."""
    good = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        # What takes nothing can be asked in no wrong way.
        for mode in BOTH if operation.body else BOTH[:1]:

            @hypothesis.settings(EXAMPLES, max_examples=10 if operation.body else 2)
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def check(case):
                nonlocal good
                response = case.call()
                case.validate_response(response, checks=held)
                good += response.status_code == 200

            check()
    return good


@pytest.mark.parametrize("task", ENGINES)
def test_our_own_document(task):
    app = serve(task)
    document = schemathesis.openapi.from_asgi("/openapi.json", app).raw_schema
    if task != "text-classification":
        # What is alike for all tasks is asked of one.
        alike = [path for path in document["paths"] if path.startswith("/v2") and path != INFER]
        for path in alike:
            del document["paths"][path]
    schema = schemathesis.openapi.from_dict(name_model(document))
    schema.app = app
    held = [
        not_a_server_error,
        checks.response_schema_conformance,
        checks.content_type_conformance,
        checks.status_code_conformance,
        checks.negative_data_rejection,
    ]
    assert check_all(schema, held) > 0


INPUT = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["good", "bad"]}


@pytest.fixture
def published(request):
    path = request.config.getoption("--oip-spec")
    if not path:
        pytest.skip("the path of open_inference_rest.yaml is not given (--oip-spec)")
    # Its addresses are written as in a shell, which OpenAPI takes for a name after a dollar.
    document = name_model(yaml.safe_load(Path(path).read_text().replace("${", "{")))
    schema = schemathesis.openapi.from_dict(document)
    schema.app = serve("text-classification")
    return schema


def test_the_published_document(published):
    held = [not_a_server_error, checks.response_schema_conformance]
    assert check_all(published, held) > 0


@pytest.mark.parametrize("outputs", [None, [{"name": "score"}]], ids=["all outputs", "one"])
def test_an_answer_fits_the_published_document(published, outputs):
    path = "/v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}/infer"
    case = published[path]["POST"].Case(
        path_parameters={"MODEL_NAME": MODEL, "MODEL_VERSION": "1"},
        body={"id": "42", "inputs": [INPUT], **({"outputs": outputs} if outputs else {})},
        media_type="application/json",
    )
    response = case.call()
    case.validate_response(
        response, checks=[checks.response_schema_conformance, checks.status_code_conformance]
    )
    label = {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["POSITIVE", "NEGATIVE"]}
    score = {"name": "score", "shape": [2], "datatype": "FP32", "data": [0.75, 0.75]}
    assert response.json() == {
        "model_name": "tiny",
        "model_version": "1",
        "id": "42",
        "outputs": [score] if outputs else [label, score],
    }
