"""Model folders, each made once per session."""

import pytest

from tests.support.example_models import ExampleMaker
from tests.support.tiny_models import CHAT_TEMPLATE, write_model, write_tokenizer


@pytest.fixture(scope="session")
def make_example(tmp_path_factory):
    """Make an example's model; returns the folder and what its make.py printed."""
    made = {}

    def make(name, *options):
        if (name, options) not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name, options] = (folder, ExampleMaker(name, *options).write(folder))
        return made[name, options]

    return make


@pytest.fixture(scope="session")
def smollm2(make_example):
    return make_example("smollm2")[0]


@pytest.fixture(scope="session")
def minilm(make_example):
    return make_example("minilm")[0]


@pytest.fixture(scope="session")
def sentiment(make_example):
    return make_example("sentiment")[0]


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory):
    folder = write_model(tmp_path_factory.mktemp("llama"), "LlamaForCausalLM")
    write_tokenizer(folder, chat_template=CHAT_TEMPLATE)
    return folder
