"""What `modelyard serve` suggests to ask, by what is loaded and who may ask."""

import pytest

from modelyard_api.serving import AccessConfig, ServingConfig
from modelyard_api.v1alpha1 import Task
from modelyard_runtime.suggesting import suggest
from modelyard_runtime.tasks.predict import TensorInput
from tests.support.fake_engine import FakeBatchEngine, FakeGenerationEngine
from tests.support.fake_media import FakeMediaEngine
from tests.support.scripted_items import ScriptedItems
from tests.support.tensor_engine import FakeTensorEngine

JSON = "-H 'Content-Type: application/json' -d"


class Values(FakeBatchEngine):
    """A class that takes any JSON."""

    def __init__(self, example):
        super().__init__(Task.PREDICT)
        self.example = example

    def sample(self):
        return TensorInput([self.example])


COMMANDS = [
    pytest.param(
        FakeGenerationEngine(),
        f"""http://127.0.0.1:1/v1/chat/completions {JSON} '{{"model": "tiny", "messages": """
        """[{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 32}'""",
        id="a chat",
    ),
    pytest.param(
        FakeGenerationEngine(takes_chats=False),
        f"""http://127.0.0.1:1/v1/completions {JSON} '{{"model": "tiny", """
        """"prompt": "The capital of France is", "max_tokens": 32}'""",
        id="a text, of a model without a chat template",
    ),
    pytest.param(
        FakeBatchEngine(Task.EMBEDDINGS),
        f"""http://127.0.0.1:1/v1/embeddings {JSON} '{{"model": "tiny", "input": """
        """["A cat sits on the mat.", "A kitten rests on a rug."]}'""",
        id="embeddings",
    ),
    pytest.param(
        FakeBatchEngine(Task.FILL_MASK),
        f"""http://127.0.0.1:1/predict {JSON} """
        """'{"text": "The capital of France is _.", "top_k": 3}'""",
        id="the model's own mask",
    ),
    pytest.param(
        ScriptedItems(Task.QUESTION_ANSWERING, None),
        f"""http://127.0.0.1:1/predict {JSON} '{{"question": "Where does Angela live?", """
        """"context": "Angela has lived in Berlin since she was nine."}'""",
        id="a question",
    ),
    pytest.param(
        FakeMediaEngine(Task.IMAGE_CLASSIFICATION),
        "http://127.0.0.1:1/predict -F image=@picture.jpg -F top_k=2",
        id="a picture as a file",
    ),
    pytest.param(
        FakeMediaEngine(Task.AUTOMATIC_SPEECH_RECOGNITION),
        "http://127.0.0.1:1/predict -F audio=@speech.wav",
        id="a recording as a file",
    ),
    pytest.param(
        Values({"a": "it's"}),
        f"""http://127.0.0.1:1/predict {JSON} '{{"inputs": [{{"a": "it'"'"'s"}}]}}'""",
        id="a class's own example",
    ),
]


@pytest.mark.parametrize(("engine", "command"), COMMANDS)
def test_it_fits_the_model(engine, command):
    config = ServingConfig(model_name="tiny")
    assert suggest(engine, config, host="0.0.0.0", port=1) == f"curl {command}"


def test_tensors_are_those_of_the_model():
    command = suggest(FakeTensorEngine(), ServingConfig(model_name="tiny"), host="::", port=1)
    assert command.startswith("curl http://[::1]:1/predict ")
    assert '"fp32": [[0.0, 0.0]]' in command


NOT_SHOWN = [
    pytest.param("x" * 3000, id="too long to be typed"),
    pytest.param("x" * 100_000, id="too long to be shown at all"),
    pytest.param(b"bytes", id="no JSON"),
]


@pytest.mark.parametrize("example", NOT_SHOWN)
def test_what_nobody_could_type_is_left_out(example):
    config = ServingConfig(model_name="tiny")
    assert suggest(Values(example), config, host="127.0.0.1", port=1) == ""


def test_keys_and_certificates_are_part_of_it():
    access = AccessConfig(keys_path="/keys", tls_path="/my tls")
    config = ServingConfig(model_name="tiny", access=access)
    command = suggest(FakeMediaEngine(Task.OBJECT_DETECTION), config, host="10.0.0.1", port=1)
    assert command == (
        "curl --cacert '/my tls/tls.crt' -H \"Authorization: Bearer $MODELYARD_API_KEY\" "
        "https://10.0.0.1:1/predict -F image=@picture.jpg -F threshold=0.5"
    )
